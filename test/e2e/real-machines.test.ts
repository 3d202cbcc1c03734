import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { startDockerEngine, type DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry } from '../support/docker-registry.js';
import { buildxIndex, type ImageOptions } from '../support/image-fixtures.js';
import type { Finished } from '../support/program.js';
import { pushFixture } from '../support/push-fixture.js';
import { requires } from '../support/requirements.js';
import { flyToml, setStage, type PushedImage, type Stage } from '../support/stage.js';

const ENDLESS = 'x=0123456789abcdef; while true; do x=$x$x; done';
const IMAGES = {
  v1: {},
  v2: {},
  crashing: { command: ['/bin/sh', '-c', 'echo no database; exit 3'] },
  shortLived: {
    command: ['/bin/sh', '-c', '/bin/busybox httpd -p 8080 -h /www; sleep 3; echo no cache; exit 4'],
  },
  elsewhere: { command: ['/bin/busybox', 'httpd', '-f', '-p', '3000', '-h', '/www'], exposes: 3000 },
  inward: { command: ['/bin/busybox', 'httpd', '-f', '-p', '127.0.0.1:8080', '-h', '/www'] },
  deaf: { command: ['/bin/sleep', '1000'] },
  greedy: { command: ['/bin/sh', '-c', ENDLESS] },
} as const satisfies Record<string, ImageOptions>;

type ImageName = keyof typeof IMAGES;

describe('machines that are containers of a Docker Engine', function () {
  requires('docker-engine', 'busybox');
  this.timeout(120_000);
  let engine: DockerEngine;
  let stage: Stage;
  let images: Record<ImageName, PushedImage>;

  before(async () => {
    engine = await startDockerEngine();
    stage = await setStage({ runtime: 'docker', env: { DOCKER_HOST: engine.dockerHost } });
    const names = Object.keys(IMAGES) as ImageName[];
    const pushed = names.map(async (name) => [name, await stage.push(name, IMAGES[name])] as const);
    images = Object.fromEntries(await Promise.all(pushed)) as Record<ImageName, PushedImage>;
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await engine.stop();
  });

  const deploy = (app: string, image: ImageName, ...flags: string[]): Promise<Finished> =>
    stage.run(['deploy', '--app', app, '--image', images[image].reference, ...flags]);
  /** The first release of an app. Gives its URL. */
  const begin = async (app: string, ...flags: string[]): Promise<string> => {
    const { code, stdout, stderr } = await deploy(app, 'v1', ...flags, '--json');
    expect(code, stdout + stderr).to.equal(0);
    return (JSON.parse(stdout) as { url: string }).url;
  };
  const ask = async (url: string): Promise<string> => (await (await fetch(url)).text()).trim();
  const runningImages = async (app: string): Promise<unknown[]> =>
    (await stage.machines(app)).map(({ config }) => config['image']);

  it('answer at the URL with the new release, and with the old one again when the next crashes', async () => {
    const url = await begin('shop');
    expect(await ask(url)).to.equal('v1');

    const second = await deploy('shop', 'v2');
    expect(second.code, second.stderr).to.equal(0);
    expect(second.stdout).to.equal(
      `v2 is live at ${url}   (previous: v1; deployer release rollback v1 --app shop)\n`,
    );
    expect(await ask(url)).to.equal('v2');

    const third = await deploy('shop', 'crashing');
    expect([third.code, third.stdout]).to.deep.equal([8, '']);
    expect(third.stderr).to.match(/^✖ v3 failed: machine \w+ .*exit(ed with)? code 3; v2 is back$/m);
    expect(third.stderr, 'the last events').to.match(/^ {2}[\d:]{8} exit \w+ by flyd exit_code=3$/m);
    expect(await ask(url)).to.equal('v2');
    expect(await runningImages('shop')).to.deep.equal([images.v2.byDigest]);
  });

  it('are given up at the timeout when their check never passes, and told of it when they were too greedy', async () => {
    const [slow, greedy] = await Promise.all([begin('slow'), begin('greedy')]);
    const [timedOut, killed] = await Promise.all([
      deploy('slow', 'deaf', '--wait-timeout', '4s'),
      deploy('greedy', 'greedy'),
    ]);
    expect(timedOut.code, timedOut.stderr).to.equal(8);
    expect(timedOut.stderr).to.match(
      /✖ v2 failed: machine \w+ timed out after 4\.0s waiting for its checks to pass: nothing answers on port 8080; v1 is back/,
    );
    expect(timedOut.stderr).to.match(/^ {2}check servicecheck-00-http-8080: critical: /m);
    expect(killed.code, killed.stderr).to.equal(8);
    expect(killed.stderr).to.match(/✖ v2 failed: machine \w+ was killed: out of memory .*; v1 is back/);
    expect(killed.stderr).to.match(/exit_code=137 oom_killed/);
    expect(await Promise.all([ask(slow), ask(greedy)])).to.deep.equal(['v1', 'v1']);
  });

  it('are not live when they die three seconds after they have answered, whatever the strategy', async () => {
    const dies = async (strategy: string): Promise<void> => {
      const app = `steady-${strategy}`;
      const config = join(stage.folder, `${strategy}.toml`);
      const url = await begin(app);
      await writeFile(config, flyToml(app, 1, '5s'));
      const flags = ['--config', config, '--strategy', strategy];
      const { code, stdout, stderr } = await deploy(app, 'shortLived', ...flags);
      expect([code, stdout], stderr).to.deep.equal([8, '']);
      expect(stderr, stderr).to.match(/✖ v2 failed: machine \w+ .*exit.*code 4, after it was up; v1 is back/);
      expect(await ask(url)).to.equal('v1');
    };
    await Promise.all([dies('rolling'), dies('immediate')]);
  });

  it('are told why nobody answers: on which port they listen instead, and how to mend it', async () => {
    const [elsewhere, inward] = await Promise.all(
      (['elsewhere', 'inward'] as const).map((image) => deploy(image, image, '--wait-timeout', '4s')),
    );
    expect([elsewhere?.code, inward?.code], `${elsewhere?.stderr}${inward?.stderr}`).to.deep.equal([8, 8]);
    const said = elsewhere?.stderr ?? '';
    expect(said).to.match(
      /^ {4}machine \w+: 0\/1 checks pass; servicecheck-00-http-8080 critical: connection refused/m,
    );
    expect(said).to.match(/✖ v1 failed: .*: nothing answers on port 8080; there was no release before/);
    expect(said).to.match(/^ {2}internal_port of the service: 8080; its check: connection refused/m);
    expect(said).to.match(/^ {2}a process in the machine listens on \S+:3000$/m);
    expect(said).to.match(/^ {2}the image exposes 3000$/m);
    expect(said).to.match(/Try: set the port that the app listens on: internal_port = 3000/);
    expect(inward?.stderr).to.match(
      /Try: let the app listen on 0\.0\.0\.0:8080, not on its loopback address alone/,
    );
  });

  it('of a private image are told why it can not be pulled, and where it could be', async function () {
    requires('docker-registry');
    await using registry = await startDockerRegistry({
      auth: { kind: 'basic', user: 'ann', password: 'secret-word' },
    });
    const image = await buildxIndex({ message: 'private' });
    const auth = Buffer.from('ann:secret-word').toString('base64');
    const { host, url } = registry;
    await pushFixture({ url, repository: 'private', authorization: `Basic ${auth}` }, 'v1', image);
    const { code, stderr } = await stage.run(['deploy', '-a', 'private', '-i', `${host}/private:v1`], {
      // As Fly's own registry: of any other private one the image would be copied.
      env: { FLY_REGISTRY_HOST: host, DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: { auth } } }) },
    });
    expect(code, stderr).to.equal(8);
    expect(stderr).to.match(
      /✖ v1 failed: machine \w+ could not be started \(state failed\): .*no basic auth credentials/,
    );
    expect(stderr).to.include(`Try: fly pulls from ${host} and from public registries; `);
    expect(stderr).to.match(/deployer image copy \S+ [\d.:]+\/private:copy\n/);
  });

  it('stay as the failure left them with --no-rollback: 9 when they are broken, 11 when they may yet come', async () => {
    await Promise.all([begin('broken'), begin('late')]);
    const [broken, late] = await Promise.all([
      deploy('broken', 'crashing', '--no-rollback'),
      deploy('late', 'deaf', '--no-rollback', '--wait-timeout', '3s'),
    ]);
    expect([broken.code, late.code], broken.stderr + late.stderr).to.deep.equal([9, 11]);
    for (const { stderr } of [broken, late]) {
      expect(stderr).to.match(/✖ v2 failed: .*; its machines are left as they are \(--no-rollback\)$/m);
      expect(stderr).to.match(/^ {2}machine \w+: .*, v2, sha256:/m);
    }
    expect(await runningImages('broken')).to.deep.equal([images.crashing.byDigest]);
    expect(await runningImages('late')).to.deep.equal([images.deaf.byDigest]);
  });

  it('are replaced one after the other, so that one is always in service', async () => {
    const config = join(stage.folder, 'three.toml');
    await writeFile(config, flyToml('three', 3));
    const url = await begin('three', '--config', config);
    const release = deploy('three', 'v2', '--config', config);
    const answers = new Set<string>();
    const ended = new AbortController();
    void release.finally(() => {
      ended.abort();
    });
    for (; !ended.signal.aborted; await delay(20)) answers.add(await ask(url));
    const { code, stderr } = await release;
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/\[3\/3\] machine \w+: checks pass/);
    // A request that is under way when its machine is told to end may be cut off: that is the app's own affair.
    const served = [...answers].filter((answer) => !answer.startsWith('three: its machine did not answer'));
    expect(served.sort(), 'and never "no healthy machine"').to.deep.equal(['v1', 'v2']);
    expect(await runningImages('three')).to.deep.equal(Array(3).fill(images.v2.byDigest));
  });
});
