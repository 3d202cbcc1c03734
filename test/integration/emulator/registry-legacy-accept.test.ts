import { expect } from 'chai';
import { ACCEPT_ALL, ACCEPT_DOCKER, MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { startEmulatorRegistry, type EmulatorRegistry } from '../../support/emulator-registry.js';
import {
  buildxIndex,
  dockerImage,
  index,
  multiPlatformIndex,
  ociImage,
} from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import { ask } from '../../support/registry-requests.js';
import { requires } from '../../support/requirements.js';

const { ociIndex, ociManifest, dockerList, dockerManifest } = MEDIA_TYPE;

const ACCEPTS: Readonly<Record<string, string>> = {
  'Docker types alone (docker_registry2 before 1.14)': ACCEPT_DOCKER.join(', '),
  'all four types': ACCEPT_ALL.join(', '),
  'all four types with q-values and no blanks': ACCEPT_ALL.map((type) => `${type};q=0.5`).join(','),
  'all but the OCI index': [ociManifest, dockerList, dockerManifest].join(', '),
  'all but the OCI manifest': [ociIndex, dockerList, dockerManifest].join(', '),
  'anything (*/*)': '*/*',
  JSON: 'application/json',
  'OCI index, in capitals': ociIndex.toUpperCase(),
};

describe('The emulator with --legacy-accept and a real docker-registry', () => {
  requires('docker-registry');
  let real: DockerRegistry;
  let legacy: EmulatorRegistry;
  let modern: EmulatorRegistry;
  let references: readonly string[];
  const started: { stop(): Promise<void> }[] = [];
  before(async () => {
    [real, legacy, modern] = await Promise.all([
      startDockerRegistry(),
      startEmulatorRegistry({ legacyAccept: true }),
      startEmulatorRegistry(),
    ]);
    started.push(real, legacy, modern);
    const image = await ociImage();
    const fixtures = {
      buildx: await buildxIndex(),
      oci: image,
      multi: await multiPlatformIndex(),
      'docker-list': await multiPlatformIndex('docker'),
      'docker-manifest': await dockerImage(),
      nested: index([index([image])]),
    };
    for (const [tag, fixture] of Object.entries(fixtures)) {
      for (const { url } of [real, legacy, modern])
        await pushFixture({ url, repository: 'team/app' }, tag, fixture);
    }
    references = [
      ...Object.keys(fixtures),
      ...Object.values(fixtures).map(({ digest }) => digest),
      'no-such-tag',
    ];
  });
  after(async () => {
    await Promise.all(started.map((registry) => registry.stop()));
  });

  /** All of an answer that a client can see, but the time and the connection's own matters. */
  async function answerOf(url: string, method: string, reference: string, accept: string) {
    const path = `/v2/team/app/manifests/${reference}`;
    const { status, headers, bytes } = await ask({ url }, method, path, { headers: { accept } });
    const seen = Object.fromEntries(headers);
    for (const name of ['date', 'connection', 'keep-alive']) delete seen[name];
    return { status, headers: seen, body: bytes.toString() };
  }

  for (const [client, accept] of Object.entries(ACCEPTS)) {
    for (const method of ['GET', 'HEAD']) {
      it(`give the same answers to ${method} from a client that accepts ${client}`, async () => {
        for (const reference of references) {
          // For a client of before 2016 the real one rewrites Docker manifests as schema 1; that is not imitated.
          const isRewritten = reference.startsWith('docker-') && !accept.includes(dockerManifest);
          if (isRewritten) continue;
          const expected = await answerOf(real.url, method, reference, accept);
          expect(await answerOf(legacy.url, method, reference, accept), reference).to.deep.equal(expected);
        }
      });
    }
  }

  it('hide the image that buildx makes by default from the old client, in these words', async () => {
    const { status, body } = await answerOf(legacy.url, 'GET', 'buildx', ACCEPT_DOCKER.join(', '));
    expect(status).to.equal(404);
    expect(JSON.parse(body)).to.deep.equal({
      errors: [
        {
          code: 'MANIFEST_UNKNOWN',
          message: 'OCI index found, but accept header does not support OCI indexes',
        },
      ],
    });
  });

  it('differ from the emulator without it, which gives what it has', async () => {
    for (const accept of Object.values(ACCEPTS)) {
      for (const reference of references.filter((name) => name !== 'no-such-tag')) {
        expect(
          (await answerOf(modern.url, 'GET', reference, accept)).status,
          `${reference} ${accept}`,
        ).to.equal(200);
      }
    }
  });
});
