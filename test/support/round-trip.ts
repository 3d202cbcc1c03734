import { expect } from 'chai';
import { ACCEPT_ALL } from '../../src/oci/media-types.js';
import type { FixtureManifest } from './image-fixtures.js';
import type { PeerPlace } from './peer-programs.js';
import { ask } from './registry-requests.js';

/**
 * Has skopeo pull an image into an OCI layout and push it from there into another repository, and compares what
 * arrived with what was there. The image must be in `REPOSITORY:TAG` already.
 */
export async function skopeoRoundTrip(
  peers: PeerPlace,
  registry: { readonly url: string; readonly host: string },
  {
    repository,
    tag,
    image,
  }: { readonly repository: string; readonly tag: string; readonly image: FixtureManifest },
): Promise<void> {
  const layout = `oci:${peers.folder}/${tag}:${tag}`;
  const copy = ['--insecure-policy', 'copy', '--quiet', '--all', '--preserve-digests'];
  const there = `docker://${registry.host}/${repository}:${tag}`;
  await peers.run('skopeo', ...copy, '--src-tls-verify=false', there, layout);
  const copied = `${repository}-by-skopeo`;
  await peers.run(
    'skopeo',
    ...copy,
    '--dest-tls-verify=false',
    layout,
    `docker://${registry.host}/${copied}:${tag}`,
  );
  await expectSame(registry, copied, tag, image);
}

/** Every manifest and blob of the image is in this repository, byte for byte, and the tag leads to it. */
export async function expectSame(
  registry: { readonly url: string },
  repository: string,
  tag: string,
  image: FixtureManifest,
): Promise<void> {
  const tagged = await ask(registry, 'HEAD', `/v2/${repository}/manifests/${tag}`, EVERY_TYPE);
  expect(tagged.headers.get('docker-content-digest'), `${repository}:${tag}`).to.equal(image.digest);
  await expectParts(registry, repository, image);
}

// docker-registry hides an OCI index from who does not name its type.
const EVERY_TYPE = { headers: { accept: ACCEPT_ALL.join(', ') } };

async function expectParts(
  registry: { readonly url: string },
  repository: string,
  part: FixtureManifest,
): Promise<void> {
  const manifest = await ask(registry, 'GET', `/v2/${repository}/manifests/${part.digest}`, EVERY_TYPE);
  expect(manifest.bytes.equals(part.bytes), `manifest ${part.digest}`).to.equal(true);
  expect(manifest.headers.get('content-type')).to.equal(part.mediaType);
  for (const blob of part.blobs) {
    const got = await ask(registry, 'GET', `/v2/${repository}/blobs/${blob.digest}`);
    expect(got.bytes.equals(blob.bytes), `blob ${blob.digest}`).to.equal(true);
  }
  for (const child of part.children) await expectParts(registry, repository, child);
}
