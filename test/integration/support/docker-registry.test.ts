import { expect } from 'chai';
import { ACCEPT_ALL, ACCEPT_DOCKER, MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import {
  buildxIndex,
  dockerImage,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  schema1Signed,
  type FixtureManifest,
} from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import { requires } from '../../support/requirements.js';

describe('docker-registry 2.8.2, as the tests start it', () => {
  requires('docker-registry');
  let registry: DockerRegistry;
  before(async () => {
    registry = await startDockerRegistry();
  });
  after(() => registry.stop());

  const ask = (repository: string, accept: readonly string[]): Promise<Response> =>
    fetch(`${registry.url}/v2/${repository}/manifests/v1`, { headers: { accept: accept.join(', ') } });

  const shapes: Readonly<Record<string, () => Promise<FixtureManifest>>> = {
    'one OCI manifest': () => ociImage(),
    'one Docker manifest': () => dockerImage(),
    "buildx's default index": () => buildxIndex(),
    'an index with an attestation of BuildKit 0.32': () => buildxIndex({ attestation: 'artifact' }),
    'a multi-platform index': () => multiPlatformIndex(),
    'a Docker manifest list': () => multiPlatformIndex('docker'),
    'an index within an index': () => nestedIndex(),
  };
  for (const [name, make] of Object.entries(shapes)) {
    it(`takes ${name} and gives the same bytes back`, async () => {
      const image = await make();
      const repository = name.toLowerCase().replace(/\W+/g, '-');
      await pushFixture({ url: registry.url, repository }, 'v1', image);
      const response = await ask(repository, ACCEPT_ALL);
      expect(response.headers.get('content-type')).to.equal(image.mediaType);
      expect(response.headers.get('docker-content-digest')).to.equal(image.digest);
      expect(Buffer.from(await response.arrayBuffer())).to.deep.equal(image.bytes);
    });
  }

  it('takes a signed schema 1 manifest, and gives it to who asks for nothing else', async () => {
    await pushFixture({ url: registry.url, repository: 'old' }, 'v1', await schema1Signed('old', 'v1'));
    const response = await ask('old', ACCEPT_ALL);
    expect(response.headers.get('content-type')).to.equal(MEDIA_TYPE.dockerSchema1Signed);
  });

  it("hides buildx's default index from a client that knows Docker's types alone", async () => {
    await pushFixture({ url: registry.url, repository: 'forum' }, 'v1', await buildxIndex());
    const response = await ask('forum', ACCEPT_DOCKER);
    expect(response.status).to.equal(404);
    expect(await response.text()).to.contain(
      'OCI index found, but accept header does not support OCI indexes',
    );
  });

  it('leaves no process and no file', async () => {
    const other = await startDockerRegistry();
    await other.stop();
    expect(() => process.kill(other.pid, 0)).to.throw('ESRCH');
  });
});
