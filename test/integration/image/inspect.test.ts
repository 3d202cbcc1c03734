import { expect } from 'chai';
import { inspectImage, type InspectedImage, type Inspection } from '../../../src/image/inspect.js';
import type { FoundImage } from '../../../src/image/search.js';
import { digestOf } from '../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { parsePlatform } from '../../../src/oci/platform.js';
import { formatReference, parseReference } from '../../../src/oci/reference.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { failureOf } from '../../support/failure.js';
import {
  manifestAnswer,
  registryError,
  startHostileServer,
  type Answer,
} from '../../support/hostile-server.js';
import {
  attestationOf,
  buildxIndex,
  dockerImage,
  index,
  LINUX_ARM64,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  type FixtureManifest,
} from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import { connectForTest, type TestConnection } from '../../support/registry-connection.js';
import { requires } from '../../support/requirements.js';

const SMALL = { runnable: false } as const;
const PROVENANCE = 'https://slsa.dev/provenance/v0.2';

/** Bytes of the manifest, its config and its layers. */
function sizeOf({ size, blobs }: FixtureManifest): number {
  return blobs.reduce((sum, blob) => sum + blob.size, size);
}

function layersOf({ blobs }: FixtureManifest): object[] {
  return blobs.slice(1).map(({ digest, size, mediaType }) => ({ digest, size, mediaType }));
}

/** As an index names it, without a platform. */
function unnamed({ platform: _, ...image }: FixtureManifest): FixtureManifest {
  return image;
}

function imageOf({ reference, stored }: FoundImage, { reader }: TestConnection): InspectedImage {
  return { name: formatReference(reference), stored, content: reader.contentOf(reference) };
}

describe('Inspecting an image in docker-registry', () => {
  requires('docker-registry');
  let registry: DockerRegistry;
  let connection: TestConnection;
  before(async () => {
    registry = await startDockerRegistry();
    connection = await connectForTest();
  });
  after(async () => {
    await connection[Symbol.asyncDispose]();
    await registry.stop();
  });

  const inspect = async (name: string, platform?: string): Promise<Inspection> => {
    const found = await connection.search.find(parseReference(`${registry.host}/${name}`));
    const only = platform === undefined ? undefined : parsePlatform(platform, '--platform');
    return inspectImage(imageOf(found, connection), only);
  };
  const push = (image: FixtureManifest, repository = 'app'): Promise<void> =>
    pushFixture({ url: registry.url, repository }, 'v1', image);

  for (const [form, make] of [
    ['OCI', ociImage],
    ['Docker', dockerImage],
  ] as const) {
    it(`that is one ${form} manifest shows its platform, which only the config tells, and its layers`, async () => {
      const image = await make({ ...SMALL, platform: LINUX_ARM64 });
      await push(image);
      expect(await inspect('app:v1')).to.deep.equal({
        reference: `${registry.host}/app:v1`,
        digest: image.digest,
        mediaType: image.mediaType,
        kind: 'manifest',
        size: image.size,
        platforms: [{ ...LINUX_ARM64, digest: image.digest, size: sizeOf(image), layers: layersOf(image) }],
        attestations: [],
        annotations: {},
      });
    });
  }

  for (const attestation of ['annotated', 'artifact'] as const) {
    it(`that buildx made tells the image from its attestation (${attestation})`, async () => {
      const built = await buildxIndex({ ...SMALL, attestation });
      const [image, provenance] = built.children as [FixtureManifest, FixtureManifest];
      await push(built);
      const { kind, platforms, attestations } = await inspect(`app@${built.digest}`);
      expect([kind, platforms.length]).to.deep.equal(['index', 1]);
      expect(platforms[0]).to.deep.include({ os: 'linux', architecture: 'amd64', digest: image.digest });
      expect(attestations).to.deep.equal([
        { digest: provenance.digest, subject: image.digest, predicateTypes: [PROVENANCE] },
      ]);
    });
  }

  it('of several platforms shows each, or one alone with its attestation', async () => {
    const both = await multiPlatformIndex('oci', SMALL);
    const [amd64, arm64] = both.children as [FixtureManifest, FixtureManifest];
    await push(index([amd64, arm64, attestationOf(amd64), attestationOf(arm64)]));
    const all = await inspect('app:v1');
    expect(all.platforms.map(({ architecture, digest }) => [architecture, digest])).to.deep.equal([
      ['amd64', amd64.digest],
      ['arm64', arm64.digest],
    ]);
    expect(all.attestations.map(({ subject }) => subject)).to.deep.equal([amd64.digest, arm64.digest]);

    const one = await inspect('app:v1', 'linux/aarch64');
    expect(one.platforms.map(({ digest }) => digest)).to.deep.equal([arm64.digest]);
    expect(one.attestations.map(({ subject }) => subject)).to.deep.equal([arm64.digest]);
    expect([one.digest, one.kind]).to.deep.equal([all.digest, 'index']);
  });

  it('that holds no such platform names those it holds', async () => {
    await push(await multiPlatformIndex('docker', SMALL));
    const error = await failureOf(() => inspect('app:v1', 'linux/riscv64'));
    expect([error.code, error.exit]).to.deep.equal(['platform_not_found', 5]);
    expect(error.message).to.contain('linux/riscv64');
    expect(error.evidence).to.deep.equal(['platforms there: linux/amd64, linux/arm64']);
    expect(error.suggestions).to.deep.equal(['--platform linux/amd64']);
  });

  it('in an index within an index is found there', async () => {
    const nested = await nestedIndex(SMALL);
    await push(nested);
    const { kind, platforms } = await inspect('app:v1');
    expect(kind).to.equal('index');
    expect(platforms.map(({ architecture }) => architecture)).to.deep.equal(['amd64', 'arm64']);
  });

  it('whose index names no platform takes it from the config, not for linux/amd64', async () => {
    const arm = await ociImage({ ...SMALL, platform: { os: 'linux', architecture: 'arm', variant: 'v6' } });
    await push(index([unnamed(await ociImage({ ...SMALL, platform: LINUX_ARM64 })), unnamed(arm)]));
    const { platforms } = await inspect('app:v1');
    expect(platforms.map(({ architecture, variant }) => [architecture, variant])).to.deep.equal([
      ['arm64', undefined],
      ['arm', 'v6'],
    ]);
  });

  it('asks for no more than it needs: of a buildx index three documents, of one platform its own', async () => {
    const built = await buildxIndex({ ...SMALL, message: 'frugal' });
    await push(built, 'frugal');
    const before = connection.trips.length;
    await inspect('frugal:v1');
    expect(connection.trips.slice(before)).to.have.length(3);
  });

  it('asks for an index inside several indexes once', async () => {
    const inner = await multiPlatformIndex('oci', SMALL);
    await push(index([index([inner]), index([inner, inner])]), 'diamond');
    const before = connection.trips.length;
    const { platforms } = await inspect('diamond:v1');
    expect(platforms.map(({ architecture }) => architecture)).to.deep.equal(['amd64', 'arm64']);
    expect(connection.trips.slice(before), 'four indexes and two manifests').to.have.length(6);
  });
});

describe('Inspecting an image that its registry shows badly', () => {
  /** Serves these documents by digest, the first by the tag `v1` too. */
  const inspect = async (
    documents: readonly FixtureManifest[],
    others: Readonly<Record<string, Answer>> = {},
  ) => {
    const answers = new Map<string, Answer>(Object.entries(others));
    for (const { bytes, mediaType, digest, blobs } of documents) {
      if (!answers.has(digest)) answers.set(digest, manifestAnswer(bytes, mediaType, digest));
      for (const blob of blobs) if (!answers.has(blob.digest)) answers.set(blob.digest, { body: blob.bytes });
    }
    const [top] = documents as [FixtureManifest];
    const gone = registryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    await using server = await startHostileServer(({ url }) => {
      const name = url.split('/').at(-1) as string;
      return answers.get(name === 'v1' ? top.digest : name) ?? gone;
    });
    await using connection = await connectForTest();
    const found = await connection.search.find(parseReference(`${server.host}/app:v1`));
    return await inspectImage(imageOf(found, connection));
  };

  it('with a child that is another is a digest that lies', async () => {
    const built = await buildxIndex(SMALL);
    const [image, provenance] = built.children as [FixtureManifest, FixtureManifest];
    const swapped = manifestAnswer(provenance.bytes, provenance.mediaType, image.digest);
    const error = await failureOf(() => inspect([built, provenance], { [image.digest]: swapped }));
    expect([error.code, error.exit]).to.deep.equal(['digest_mismatch', 12]);
  });

  it('with a child that is missing names it', async () => {
    const built = await buildxIndex(SMALL);
    const [image, provenance] = built.children as [FixtureManifest, FixtureManifest];
    const error = await failureOf(() => inspect([built, provenance]));
    expect(error.code).to.equal('digest_not_found');
    expect(error.message).to.contain(image.digest);
  });

  it('with a config that is another, none, or no JSON is refused with the reason', async () => {
    const image = await ociImage(SMALL);
    const config = image.blobs[0]?.digest as string;
    const swapped = await failureOf(() => inspect([image], { [config]: { body: '{"os":"plan9"}' } }));
    expect([swapped.code, swapped.exit]).to.deep.equal(['digest_mismatch', 12]);
    expect(swapped.message).to.contain(config);
    const missing = await failureOf(() =>
      inspect([image], { [config]: registryError(404, 'BLOB_UNKNOWN', 'blob unknown to registry') }),
    );
    expect(missing.code).to.equal('digest_not_found');
    expect(missing.evidence.join()).to.contain('BLOB_UNKNOWN');
    for (const text of ['{', '[]', 'null']) {
      const odd = withConfig(image, text);
      const outcome = await inspect([odd]).catch((error: unknown) => error);
      if (text === '{') {
        expect(outcome).to.include({ code: 'manifest_invalid' });
        expect(outcome).to.have.property('suggestions').with.length.above(0);
      } else expect(outcome).to.have.nested.property('platforms[0].os', 'unknown');
    }
  });

  it('with control characters in platform and annotations has clean names', async () => {
    const image = await ociImage({
      ...SMALL,
      platform: { os: 'li\u001b[2Jnux', architecture: 'amd\u202e64' },
    });
    const { platforms } = await inspect([image]);
    expect(platforms[0]).to.include({ os: 'li[2jnux', architecture: 'amd64' });
  });

  it('with indexes nested without end, or by the hundred, is refused before they are all read', async () => {
    let deep = await multiPlatformIndex('oci', SMALL);
    const chain = [deep];
    for (let depth = 0; depth < 5; depth += 1) chain.unshift((deep = index([deep])));
    const nested = await failureOf(() => inspect(chain));
    expect([nested.code, nested.exit]).to.deep.equal(['manifest_invalid', 5]);
    expect(nested.message).to.contain('nested more than 3 deep');
    expect(nested.suggestions).not.to.deep.equal([]);

    const leaf = await ociImage(SMALL);
    const many = Array.from({ length: 100 }, (_, n) => index([{ ...leaf, annotations: { n: String(n) } }]));
    const wide = await failureOf(() => inspect([index(many), ...many]));
    expect(wide.code).to.equal('manifest_invalid');
    expect(wide.message).to.match(/more than \d+ indexes/);
  });

  it('of a config that goes on and on is refused where it should have ended', async () => {
    const image = await ociImage(SMALL);
    const config = image.blobs[0]?.digest as string;
    const error = await failureOf(() => inspect([image], { [config]: { chunked: true, padBytes: 2 ** 30 } }));
    expect(error.code).to.equal('digest_mismatch');
    expect(error.evidence.join()).to.contain('longer than');
  });

  it('with a platform in sha512 digests is inspected all the same', async () => {
    const image = await ociImage(SMALL);
    const digest = digestOf(image.bytes, 'sha512');
    const top = index([{ ...image, digest }]);
    const { platforms } = await inspect([top, { ...image, digest }]);
    expect(platforms[0]?.digest).to.equal(digest);
    expect(top.mediaType).to.equal(MEDIA_TYPE.ociIndex);
  });
});

/** The image with another config, whose bytes are this text. */
function withConfig(image: FixtureManifest, text: string): FixtureManifest {
  const [config, ...layers] = image.blobs;
  if (config === undefined) throw new Error('the fixture has no config');
  const bytes = Buffer.from(text);
  const changed = { ...config, bytes, digest: digestOf(bytes), size: bytes.length };
  const manifest = Buffer.from(
    image.bytes
      .toString()
      .replace(config.digest, changed.digest)
      .replace(`"size":${config.size}`, `"size":${changed.size}`),
  );
  return {
    ...image,
    bytes: manifest,
    digest: digestOf(manifest),
    size: manifest.length,
    blobs: [changed, ...layers],
  };
}
