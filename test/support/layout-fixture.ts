import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobPath } from '../../src/oci/layout.js';
import { descriptorOf, type FixtureManifest } from './image-fixtures.js';

/** Writes images into an OCI layout, by their tags; an image without a tag has the key ''. */
export async function writeLayout(
  folder: string,
  images: Readonly<Record<string, FixtureManifest>>,
): Promise<void> {
  for (const image of Object.values(images)) await writeContents(folder, image);
  const manifests = Object.entries(images).map(([tag, image]) => ({
    ...descriptorOf(image),
    ...(tag === '' ? {} : { annotations: { 'org.opencontainers.image.ref.name': tag } }),
  }));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

async function writeContents(folder: string, image: FixtureManifest): Promise<void> {
  for (const child of image.children) await writeContents(folder, child);
  for (const { digest, bytes } of [...image.blobs, image]) {
    const file = join(folder, blobPath(digest));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
  }
}
