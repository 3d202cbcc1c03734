import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { helloServer } from './hello-server.mjs';

const OCI = 'application/vnd.oci.image';

/**
 * Writes an OCI image layout in the shape that buildx makes by default since 0.10: an index of one image for
 * linux/amd64 and the provenance attestation that turned everybody's images into indexes.
 * @param {string} folder
 * @param {string} tag
 */
export async function writeDemoImage(folder, tag) {
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  /** @param {string} mediaType @param {Buffer} bytes */
  const put = async (mediaType, bytes) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    await writeFile(join(folder, 'blobs', 'sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  /** @param {string} mediaType @param {object} value */
  const putJson = (mediaType, value) => put(mediaType, Buffer.from(JSON.stringify(value)));

  const image = await writeImage(put, putJson);
  const attestation = await writeAttestation(putJson, image);
  const index = await putJson(`${OCI}.index.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: [{ ...image, platform: { architecture: 'amd64', os: 'linux' } }, attestation],
  });
  const named = { ...index, annotations: { 'org.opencontainers.image.ref.name': tag } };
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

async function writeImage(put, putJson) {
  const header = { name: 'hello', size: helloServer.length, mode: 0o755, mtime: new Date(0) };
  const tar = Buffer.from(await packTar([{ header, body: helloServer }]));
  const layer = await put(`${OCI}.layer.v1.tar+gzip`, gzipSync(tar));
  const config = await putJson(`${OCI}.config.v1+json`, {
    architecture: 'amd64',
    os: 'linux',
    config: { Entrypoint: ['/hello'], ExposedPorts: { '8080/tcp': {} } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(tar).digest('hex')}`] },
  });
  return putManifest(putJson, config, [layer]);
}

/** What BuildKit attaches: a manifest for no platform, with an in-toto statement about the image. */
async function writeAttestation(putJson, image) {
  const predicateType = 'https://slsa.dev/provenance/v0.2';
  const statement = await putJson('application/vnd.in-toto+json', {
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType,
    subject: [{ name: 'hello', digest: { sha256: image.digest.slice('sha256:'.length) } }],
    predicate: { builder: { id: '' }, buildType: 'https://mobyproject.org/buildkit@v1', materials: [] },
  });
  const config = await putJson(`${OCI}.config.v1+json`, {
    architecture: 'unknown',
    os: 'unknown',
    config: {},
    rootfs: { type: 'layers', diff_ids: [statement.digest] },
  });
  const layer = { ...statement, annotations: { 'in-toto.io/predicate-type': predicateType } };
  return {
    ...(await putManifest(putJson, config, [layer])),
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': image.digest,
    },
    platform: { architecture: 'unknown', os: 'unknown' },
  };
}

function putManifest(putJson, config, layers) {
  const mediaType = `${OCI}.manifest.v1+json`;
  return putJson(mediaType, { schemaVersion: 2, mediaType, config, layers });
}
