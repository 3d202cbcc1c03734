import { expect } from 'chai';
import { digestOf, type Digest } from '../../../src/oci/digest.js';
import { platformsOf, readIndex, type IndexContent } from '../../../src/oci/image-index.js';
import { parseManifest, type ImageIndex } from '../../../src/oci/manifest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { formatPlatform } from '../../../src/oci/platform.js';
import {
  attestationOf,
  buildxIndex,
  index,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
} from '../../support/image-fixtures.js';

const UNKNOWN = { os: 'unknown', architecture: 'unknown' };
const ATTESTATION = 'application/vnd.docker.attestation.manifest.v1+json';

function read(bytes: Buffer): IndexContent {
  return readIndex(parseManifest(bytes, '') as ImageIndex);
}

/** What one child of an index is taken for. */
function kindOf(change: object): string {
  const child = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('x'), size: 1, ...change };
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [child] };
  const content = read(Buffer.from(JSON.stringify(document)));
  return Object.entries(content)
    .filter(([, list]: [string, readonly unknown[]]) => list.length > 0)
    .map(([name]) => name)
    .join();
}

describe("An index, by moby's rule", () => {
  for (const attestation of ['annotated', 'artifact'] as const) {
    it(`of buildx is one image and its attestation (${attestation})`, async () => {
      const built = await buildxIndex({ attestation });
      const { images, attestations, nested, other } = read(built.bytes);
      const [image, provenance] = built.children.map(({ digest }) => digest);
      expect(images.map(({ digest }) => digest)).to.deep.equal([image]);
      expect(attestations.map(({ descriptor, subject }) => [descriptor.digest, subject])).to.deep.equal([
        [provenance, image],
      ]);
      expect([nested, other]).to.deep.equal([[], []]);
    });
  }

  it('takes a child for what its annotation, its types and its platform say, in this order', () => {
    const linux = { os: 'linux', architecture: 'amd64' };
    const annotated = { 'vnd.docker.reference.type': 'attestation-manifest' };
    expect(kindOf({ platform: linux })).to.equal('images');
    expect(kindOf({})).to.equal('images');
    expect(kindOf({ mediaType: MEDIA_TYPE.dockerManifest })).to.equal('images');
    expect(kindOf({ platform: linux, annotations: annotated })).to.equal('attestations');
    expect(kindOf({ platform: UNKNOWN, artifactType: ATTESTATION })).to.equal('attestations');
    expect(kindOf({ artifactType: ATTESTATION })).to.equal('attestations');
    expect(kindOf({ platform: UNKNOWN })).to.equal('other');
    expect(kindOf({ platform: { os: 'unknown', architecture: 'amd64' } })).to.equal('images');
    expect(kindOf({ platform: linux, artifactType: 'application/vnd.cncf.helm.chart' })).to.equal('other');
    // Tools that fill the field in from the config's media type (distribution-spec, "Listing Referrers") do so for images.
    expect(kindOf({ platform: linux, artifactType: MEDIA_TYPE.ociConfig })).to.equal('images');
    expect(kindOf({ platform: linux, artifactType: MEDIA_TYPE.dockerConfig })).to.equal('images');
    expect(kindOf({ platform: linux, artifactType: '' })).to.equal('images');
    expect(kindOf({ mediaType: MEDIA_TYPE.ociIndex, platform: linux })).to.equal('nested');
    expect(kindOf({ mediaType: MEDIA_TYPE.dockerList })).to.equal('nested');
    expect(kindOf({ mediaType: 'application/vnd.something+json' })).to.equal('other');
  });

  it('has an attestation without a subject where its annotation names no digest', () => {
    const annotations = {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': 'sha256:../..',
    };
    const child = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('x'), size: 1, annotations };
    const document = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [child] };
    const { attestations } = read(Buffer.from(JSON.stringify(document)));
    expect(attestations).to.have.length(1);
    expect(attestations[0]).not.to.have.property('subject');
  });

  it('may hold an index, several platforms, and attestations of each', async () => {
    const nested = read((await nestedIndex()).bytes);
    expect([nested.images.length, nested.nested.length]).to.deep.equal([0, 1]);

    const [amd64, arm64] = (await multiPlatformIndex()).children;
    const both = index([amd64!, arm64!, attestationOf(amd64!), attestationOf(arm64!, 'artifact')]);
    const { images, attestations } = read(both.bytes);
    expect(platformsOf(images).map(formatPlatform)).to.deep.equal(['linux/amd64', 'linux/arm64']);
    expect(attestations.map(({ subject }) => subject as Digest)).to.deep.equal([
      amd64!.digest,
      arm64!.digest,
    ]);
  });

  it('names each platform once', async () => {
    const platforms = ['arm64', 'arm64/v8', 'arm', 'arm/v7', 'arm/v6'].map((text) => {
      const [architecture = '', variant] = text.split('/');
      return { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
    });
    const images = await Promise.all(platforms.map((platform) => ociImage({ platform })));
    const { images: read5 } = read(index(images).bytes);
    expect(platformsOf(read5).map(formatPlatform)).to.deep.equal([
      'linux/arm64',
      'linux/arm/v7',
      'linux/arm/v6',
    ]);
  });
});
