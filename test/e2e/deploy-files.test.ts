import { join } from 'node:path';
import { expect } from 'chai';
import type { PlanDocument } from '../../src/deploy/plan.js';
import type { DeployResult } from '../../src/deploy/result.js';
import type { ErrorDocument } from '../../src/lib/errors.js';
import { formatSize } from '../../src/lib/size.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { eventually } from '../support/eventually.js';
import { startFaultyProxy, type FaultyProxy } from '../support/faulty-proxy.js';
import {
  buildxIndex,
  LINUX_ARM64,
  multiPlatformIndex,
  ociImage,
  type FixtureManifest,
} from '../support/image-fixtures.js';
import { writeLayout } from '../support/layout-fixture.js';
import { machinePeers, type PeerPlace } from '../support/peer-programs.js';
import { pushFixture } from '../support/push-fixture.js';
import { basicEntry, loggedIn } from '../support/registry-connection.js';
import { requires } from '../support/requirements.js';
import { setStage, type Stage } from '../support/stage.js';

interface Failed {
  readonly error: ErrorDocument;
}

/** The whole way of an image that the platform can't pull from where it lies, to a healthy release. */
describe('deployer deploy of an image that lies elsewhere', function () {
  this.timeout(60_000);
  let stage: Stage;
  let proxy: FaultyProxy;
  before(async () => {
    stage = await setStage();
    proxy = await startFaultyProxy({ host: stage.platform.emulator.registry });
  });
  beforeEach(() => proxy.script(() => undefined));
  after(async () => {
    await proxy.stop();
    await stage[Symbol.asyncDispose]();
  });
  const at = (leaf: string): string => join(stage.folder, leaf);
  const deploy = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    stage.run(['deploy', ...args, '--json'], { env: { FLY_REGISTRY_HOST: proxy.host, ...env } });
  async function succeeds(args: readonly string[], env?: Readonly<Record<string, string>>) {
    const { code, stdout, stderr } = await deploy(args, env);
    expect(code, stderr + stdout).to.equal(0);
    return JSON.parse(stdout) as DeployResult;
  }
  async function fails(args: readonly string[], env?: Readonly<Record<string, string>>) {
    const { code, stdout } = await deploy(args, env);
    const { error } = JSON.parse(stdout) as Failed;
    return { exit: code, ...error };
  }
  const asked = (from: number): string[] =>
    proxy.exchanges.slice(from).map(({ method, url }) => `${method} ${url}`);
  const imagesOf = async (app: string): Promise<unknown[]> =>
    (await stage.machines(app)).map(({ state, config }) => [state, config['image']]);

  it('pushes a layout to the registry of the platform and releases what it pushed; the second time it only asks', async () => {
    const image = await buildxIndex({ message: 'layout' });
    await writeLayout(at('image'), { v1: image });
    const first = await succeeds(['-a', 'layout', '-i', 'oci:image:v1']);
    expect(first.status).to.equal('succeeded');
    const deployed = `${proxy.host}/layout@${image.digest}`;
    expect(first.image).to.deep.equal({ requested: 'oci:image:v1', deployed, digest: image.digest });
    expect(first.durations.push).to.be.greaterThan(0);
    expect(await imagesOf('layout')).to.deep.equal([['started', deployed]]);

    const from = proxy.exchanges.length;
    const second = await succeeds(['-a', 'layout', '-i', 'oci:image:v1']);
    expect(second).to.include({ status: 'unchanged' });
    expect(asked(from)).to.deep.equal([
      `HEAD /v2/layout/manifests/deployer-${image.digest.slice(7).slice(0, 16)}`,
    ]);
  });

  it('says all that it would write in a dry run, and writes nothing', async () => {
    const image = await buildxIndex({ message: 'planned' });
    await writeLayout(at('planned'), { v1: image });
    const from = proxy.exchanges.length;
    const { code, stdout } = await deploy(['-a', 'planned', '-i', 'oci:planned', '--dry-run']);
    expect(code).to.equal(0);
    const { plan } = JSON.parse(stdout) as { plan: PlanDocument };
    const bytes = [image, ...image.children]
      .flatMap(({ blobs }) => blobs)
      .reduce((n, { size }) => n + size, 0);
    const tag = `deployer-${image.digest.slice(7).slice(0, 16)}`;
    expect(plan.steps.slice(0, 3)).to.deep.equal([
      {
        step: 'adapt',
        action: 'none',
        summary: `none needed: fly takes indexes; copied to ${proxy.host}/planned: it lies in no registry; deployed as ${proxy.host}/planned@${image.digest.slice(0, 15)}…`,
      },
      { step: 'build', action: 'skip', summary: 'not needed: the image is here' },
      {
        step: 'push',
        action: 'copy',
        summary: `5 blobs (${formatSize(bytes)}), 3 manifests to ${proxy.host}/planned:${tag}`,
      },
    ]);
    const base = `${proxy.url}/v2/planned`;
    expect(plan.writes.slice(0, 4)).to.deep.equal([
      {
        method: 'POST',
        url: `${base}/blobs/uploads/`,
        summary: `begin an upload for each of 5 blobs (${formatSize(bytes)}) that is not there`,
      },
      {
        method: 'PUT',
        url: `${base}/blobs/uploads/`,
        summary: 'send it, to the place under this that it is given',
      },
      { method: 'PUT', url: `${base}/manifests/`, summary: '2 manifests, by digest' },
      {
        method: 'PUT',
        url: `${base}/manifests/${tag}`,
        summary: 'the image itself, when all of it is there',
      },
    ]);
    expect(plan.writes.slice(4).every(({ url }) => url.startsWith(stage.platform.emulator.apiUrl))).to.equal(
      true,
    );
    expect(asked(from)).to.deep.equal([`HEAD /v2/planned/manifests/${tag}`]);
  });

  it('shows a person and a log what is pushed, and where', async () => {
    await writeLayout(at('shown'), { v1: await ociImage({ message: 'shown' }) });
    const { code, stderr } = await stage.run(['deploy', '-a', 'shown', '-i', 'oci:shown'], {
      env: { FLY_REGISTRY_HOST: proxy.host },
    });
    expect(code).to.equal(0);
    expect(stderr).to.match(/^Read image 'oci:shown'\nimage found: OCI manifest/m);
    expect(stderr).to.match(
      /^==> Push image\n(?: {4}\d+% of .*\n)* {4}\d sent \(.*\), 0 mounted, 0 already there\n/m,
    );
  });

  it('takes a docker archive the same way', async () => {
    const image = await ociImage({ message: 'archive' });
    await writeLayout(at('for-archive'), { v1: image });
    await stage.run(['image', 'copy', 'oci:for-archive', 'docker-archive:app.tar']);
    const { image: released } = await succeeds(['-a', 'archive', '-i', 'docker-archive:app.tar']);
    expect(released.digest).to.equal(image.digest);
    expect(await imagesOf('archive')).to.deep.equal([['started', `${proxy.host}/archive@${image.digest}`]]);
  });

  describe('that skopeo wrote', () => {
    requires('docker-registry', 'skopeo');
    let peers: PeerPlace;
    let registry: DockerRegistry;
    before(async () => {
      [peers, registry] = [await machinePeers(), await startDockerRegistry()];
    });
    after(async () => {
      await registry.stop();
      await peers.remove();
    });

    it('arrives with the digest that it had in the registry it came from', async () => {
      const image = await buildxIndex({ message: 'skopeo' });
      await pushFixture({ url: registry.url, repository: 'from' }, 'v1', image);
      const layout = `oci:${join(peers.path, 'layout')}:v1`;
      const source = `docker://${registry.host}/from:v1`;
      await peers.run(
        'skopeo',
        '--insecure-policy',
        'copy',
        '--all',
        '--src-tls-verify=false',
        source,
        layout,
      );
      const { image: released, status } = await succeeds(['-a', 'skopeo', '-i', layout]);
      expect({ status, digest: released.digest }).to.deep.equal({
        status: 'succeeded',
        digest: image.digest,
      });
    });
  });

  it('releases nothing when the push fails, and ends with 7', async () => {
    const good = await ociImage({ message: 'good' });
    await writeLayout(at('breaks'), { good, bad: await ociImage({ message: 'bad' }) });
    await succeeds(['-a', 'breaks', '-i', 'oci:breaks:good']);
    proxy.script(({ method, url }) =>
      method === 'PUT' && url.includes('/manifests/') ? { kind: 'answer', status: 400 } : undefined,
    );
    const failure = await fails(['-a', 'breaks', '-i', 'oci:breaks:bad']);
    expect(failure).to.include({ exit: 7, code: 'push_failed' });
    expect(await imagesOf('breaks')).to.deep.equal([['started', `${proxy.host}/breaks@${good.digest}`]]);
    const [machine] = await stage.machines('breaks');
    const lease = await stage.platform.client.call(`GET /apps/breaks/machines/${machine?.id}/lease`);
    expect(lease.status, 'not even locked').to.equal(404);
  });

  it('releases nothing when it is interrupted in the push', async () => {
    await writeLayout(at('halted'), { v1: await ociImage({ message: 'halted' }) });
    proxy.script(({ method }) => (method === 'PUT' ? { kind: 'silent' } : undefined));
    const from = proxy.exchanges.length;
    const program = stage.start(['deploy', '-a', 'halted', '-i', 'oci:halted'], {
      env: { FLY_REGISTRY_HOST: proxy.host },
    });
    await eventually(() => expect(asked(from).some((line) => line.startsWith('PUT'))).to.equal(true));
    program.kill('SIGINT');
    expect((await program.finished).code).to.equal(130);
    expect((await stage.platform.client.call('GET /apps/halted')).status).to.equal(404);
  });

  it('pushes nothing of an image that the platform can not run, and asks no registry', async () => {
    await writeLayout(at('arm'), { v1: await ociImage({ platform: LINUX_ARM64 }) });
    const from = proxy.exchanges.length;
    expect(await fails(['-i', 'oci:arm'])).to.include({ exit: 5, code: 'platform_not_found' });
    expect(await fails(['-i', 'oci:nowhere'])).to.include({ exit: 3, code: 'image_file_not_found' });
    expect(await fails(['-i', 'docker-archive:-'])).to.include({ exit: 2, code: 'usage' });
    expect(await fails(['-i', 'oci:arm', '--accept', 'docker'])).to.include({ exit: 2, code: 'usage' });
    expect(asked(from)).to.deep.equal([]);
  });

  it('pins the platform that is asked for, and pushes that alone', async () => {
    const image = await multiPlatformIndex();
    await writeLayout(at('multi'), { v1: image });
    const { image: released } = await succeeds([
      '-a',
      'multi',
      '-i',
      'oci:multi',
      '--platform',
      'linux/amd64',
    ]);
    expect(released.digest).to.equal(image.children[0]?.digest);
    expect(asked(0).filter((line) => line.startsWith('PUT /v2/multi/manifests/'))).to.have.length(1);
  });

  it('has to be told where the registry of a platform on loopback is: the token of one is not sent to another', async () => {
    await writeLayout(at('untold'), { v1: await ociImage() });
    const failure = await fails(['-a', 'untold', '-i', 'oci:untold'], { FLY_REGISTRY_HOST: '' });
    expect(failure).to.include({ exit: 2, code: 'image_source_unsupported' });
    expect(failure.suggestions[0]).to.contain('FLY_REGISTRY_HOST=HOST[:PORT]');
    const wrong = await fails(['-a', 'untold', '-i', 'oci:untold'], { FLY_REGISTRY_HOST: 'https://host/' });
    expect(wrong).to.include({ code: 'usage', exit: 2 });
    expect(wrong.suggestions[0]).to.contain('check FLY_REGISTRY_HOST');
  });

  it('opens the registry with the token of the API, as user x, and gives it to no one else', async () => {
    await writeLayout(at('locked'), { v1: await ociImage({ message: 'locked' }) });
    const from = proxy.exchanges.length;
    // The platform itself pulls from its own registry without asking.
    proxy.script(({ headers }) =>
      headers['user-agent']?.startsWith('deployer/') === true && headers.authorization === undefined
        ? { kind: 'answer', status: 401, headers: { 'www-authenticate': 'Basic realm="registry"' } }
        : undefined,
    );
    await succeeds(['-a', 'locked', '-i', 'oci:locked']);
    const sent = new Set(proxy.exchanges.slice(from).map(({ headers }) => headers.authorization));
    const { token } = stage.platform.emulator;
    const basic = `Basic ${Buffer.from(`x:${token}`).toString('base64')}`;
    expect(sent).to.deep.equal(new Set([undefined, basic]));
  });

  describe('in a registry where only the user is logged in', () => {
    requires('docker-registry', 'htpasswd');
    let registry: DockerRegistry;
    let image: FixtureManifest;
    let reference: string;
    let env: Readonly<Record<string, string>>;
    before(async () => {
      registry = await startDockerRegistry({ auth: { kind: 'basic', user: 'robot', password: 'secret' } });
      image = await buildxIndex({ message: 'private' });
      const authorization = `Basic ${basicEntry('robot', 'secret').auth}`;
      await pushFixture({ url: registry.url, repository: 'team/app', authorization }, 'v1', image);
      reference = `${registry.host}/team/app:v1`;
      env = loggedIn(registry.host, basicEntry('robot', 'secret'));
    });
    after(() => registry.stop());

    it('is copied to where the platform can pull it, its digest kept, and the plan says so', async () => {
      const dry = await deploy(['-a', 'private', '-i', reference, '--dry-run'], env);
      const { plan } = JSON.parse(dry.stdout) as { plan: PlanDocument };
      expect(plan.steps[0]?.summary).to.contain(
        `copied to ${proxy.host}/private: it is private in ${registry.host}, where `,
      );
      const { image: released } = await succeeds(['-a', 'private', '-i', reference], env);
      expect(released).to.deep.equal({
        requested: reference,
        deployed: `${proxy.host}/private@${image.digest}`,
        digest: image.digest,
      });
      const from = proxy.exchanges.length;
      await succeeds(['-a', 'private', '-i', reference], env);
      expect(asked(from)).to.have.length(1);
    });

    it('is copied from no registry that gives it to strangers too', async () => {
      await using open = await startDockerRegistry();
      await pushFixture({ url: open.url, repository: 'app' }, 'v1', image);
      const from = proxy.exchanges.length;
      const { image: released } = await succeeds(['-a', 'public', '-i', `${open.host}/app:v1`], {
        ...loggedIn(open.host, basicEntry('robot', 'secret')),
      });
      expect(released.deployed).to.equal(`${open.host}/app@${image.digest}`);
      expect(asked(from)).to.deep.equal([]);
    });
  });
});
