import { expect } from 'chai';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { buildxIndex, type FixtureManifest } from '../support/image-fixtures.js';
import { pushFixture } from '../support/push-fixture.js';
import { requires } from '../support/requirements.js';
import { setStage, type Stage } from '../support/stage.js';

const REGISTRYS_WORDS = 'OCI index found, but accept header does not support OCI indexes';

describe("what buildx makes by default, in docker-registry 2.8: the deploy of Fly's forum in January 2023", function () {
  requires('docker-registry');
  this.timeout(60_000);
  let registry: DockerRegistry;
  let stage: Stage;
  let index: FixtureManifest;
  let image: string;

  before(async () => {
    [registry, stage, index] = await Promise.all([
      startDockerRegistry(),
      setStage({ rateLimits: true }),
      buildxIndex(),
    ]);
    image = `${registry.host}/example:tag`;
    await pushFixture({ url: registry.url, repository: 'example' }, 'tag', index);
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await registry.stop();
  });

  it('is not found by the client of then, which is told what that client hid', async () => {
    const { code, stdout, stderr } = await stage.run(['deploy', '--image', image, '--accept', 'docker']);
    expect([code, stdout]).to.deep.equal([3, '']);
    expect(stderr.split('\n')).to.deep.equal([
      '==> Verify configuration',
      '    fly.toml',
      `Searching for image '${image}' remotely...`,
      `✖ failed to fetch an image or build from source: Could not find image "${image}"`,
      `  ${image} is there, but in a form that was not asked for`,
      `  the registry says: "${REGISTRYS_WORDS}"`,
      `  GET ${registry.url}/v2/example/manifests/tag -> 404 MANIFEST_UNKNOWN: ${REGISTRYS_WORDS}`,
      '  asked with: Docker manifest, Docker manifest list',
      '  asked as a client of before 2023 would (--accept docker)',
      '  Try: ask with every media type: leave --accept docker out',
      '',
    ]);
    expect((await stage.platform.client.call('GET /apps/shop')).status, 'nothing was written').to.equal(404);
  });

  it("is found by a client that asks in full, as diagnose shows beside the old one's answer", async () => {
    const { code, stdout } = await stage.run(['image', 'diagnose', image]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^ {2}✔ full +GET {2}200/m);
    expect(stdout).to.match(new RegExp(`^ {2}✖ docker-only +GET {2}404 .*\\n.*${REGISTRYS_WORDS}$`, 'm'));
    expect(stdout).to.match(/^ {2}✔ fly +would run it as it is from a registry that it reaches/m);
  });

  it('is deployed to a healthy release, by the digest of the index', async () => {
    const { code, stdout, stderr } = await stage.run(['deploy', '--image', image]);
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal('v1 is live\n');
    expect(stderr).to.contain(`Searching for image '${image}' remotely...\nimage found: OCI index sha256:`);
    const [machine, ...others] = await stage.machines('shop');
    expect(others).to.deep.equal([]);
    expect(machine?.state).to.equal('started');
    expect(machine?.config['image']).to.equal(`${registry.host}/example@${index.digest}`);
    expect(machine?.checks.map(({ status }) => status)).to.deep.equal(['passing']);
  });
});
