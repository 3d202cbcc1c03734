import { createHash, randomFillSync } from 'node:crypto';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';

const CHUNK = 2 ** 20;

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Writes an OCI layout of one image whose layers hold random bytes: nothing in it can be compressed or is there twice. */
export async function writeRandomLayout(folder: string, layerSizes: readonly number[]): Promise<void> {
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  const layers: Blob[] = [];
  for (const size of layerSizes) layers.push(await writeRandomBlob(folder, size));
  const config = await writeJson(folder, MEDIA_TYPE.ociConfig, {
    ...{ os: 'linux', architecture: 'amd64', config: {} },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  });
  const { ociManifest: mediaType } = MEDIA_TYPE;
  const manifest = await writeJson(folder, mediaType, { schemaVersion: 2, mediaType, config, layers });
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

async function writeRandomBlob(folder: string, size: number): Promise<Blob> {
  const unnamed = join(folder, 'blob');
  const hash = createHash('sha256');
  const file = await open(unnamed, 'w');
  for (let left = size; left > 0; left -= CHUNK) {
    const chunk = randomFillSync(Buffer.alloc(Math.min(CHUNK, left)));
    hash.update(chunk);
    await file.writeFile(chunk);
  }
  await file.close();
  const hex = hash.digest('hex');
  await rename(unnamed, join(folder, 'blobs', 'sha256', hex));
  return { mediaType: MEDIA_TYPE.ociLayerGzip, digest: `sha256:${hex}`, size };
}

async function writeJson(folder: string, mediaType: string, value: object): Promise<Blob> {
  const text = JSON.stringify(value);
  const hex = createHash('sha256').update(text).digest('hex');
  await writeFile(join(folder, 'blobs', 'sha256', hex), text);
  return { mediaType, digest: `sha256:${hex}`, size: text.length };
}
