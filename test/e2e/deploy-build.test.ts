import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeContext, writeFiles } from '../support/build-context.js';
import { importBusybox, startDockerEngine, type DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry } from '../support/docker-registry.js';
import { beforeFirst, startEngineProxy } from '../support/engine-proxy.js';
import { eventually } from '../support/eventually.js';
import { startFaultyProxy } from '../support/faulty-proxy.js';
import { documentIn } from '../support/json-documents.js';
import { onTerminal, stable } from '../support/on-terminal.js';
import { pidsOf } from '../support/processes.js';
import type { Finished } from '../support/program.js';
import { basicEntry, loggedIn } from '../support/registry-connection.js';
import { requires } from '../support/requirements.js';
import { flyToml, setStage, type Stage } from '../support/stage.js';

const BASE = 'base:test';

/** Serves its name on port 8080. */
function dockerfile(name: string, more = ''): string {
  return `FROM ${BASE}\n${more}RUN echo ${name} > /www/index.html\nCMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n`;
}

describe('deployer deploy, of an image that has to be built', function () {
  requires('docker-engine', 'docker-registry', 'busybox', 'htpasswd');
  this.timeout(120_000);
  let engine: DockerEngine;
  let stage: Stage;
  let repository: string;
  before(async () => {
    engine = await startDockerEngine();
    await importBusybox(engine.docker, BASE);
    stage = await setStage({ runtime: 'docker', env: { DOCKER_HOST: engine.dockerHost } });
    repository = `${stage.platform.emulator.registry}/shop`;
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await engine.stop();
  });

  const deploy = (tag: string, ...args: string[]): Promise<Finished> =>
    stage.run(['deploy', ...args, '--image', `${repository}:${tag}`], engineEnv());
  const engineEnv = () => ({ env: { DOCKER_HOST: engine.dockerHost } });
  /** Those that the engine keeps under this tag of the repository. */
  const imagesCalled = async (tag: string): Promise<readonly string[]> =>
    (await engine.docker.listImages()).flatMap(({ RepoTags }) =>
      (RepoTags ?? []).filter((name) => name === `${repository}:${tag}`),
    );
  const machines = async (): Promise<unknown> =>
    (await stage.machines('shop')).map(({ id, instance_id, config }) => [id, instance_id, config['image']]);
  const urlOf = async (): Promise<string> => {
    const { stdout } = await stage.run(['status', '--json']);
    return (JSON.parse(stdout) as { url: string }).url;
  };
  const manifest = async (tag: string): Promise<Response> =>
    fetch(`http://${repository.replace('/', '/v2/')}/manifests/${tag}`, {
      method: 'HEAD',
      headers: { accept: 'application/vnd.docker.distribution.manifest.v2+json' },
    });

  it('builds what is missing, pushes it, and releases it by its digest; the next deploy finds it', async () => {
    await using context = await makeContext({ Dockerfile: dockerfile('one') });
    const first = await deploy('one', context.path, '--json');
    expect(first.code, first.stdout + first.stderr).to.equal(0);
    const result = documentIn('deploy', first.stdout);
    const { digest } = result.image;
    expect((await manifest('one')).headers.get('docker-content-digest')).to.equal(digest);
    expect(result.build).to.deep.include({ reference: `${repository}:one`, digest, pushed: true });
    expect(result.build).to.not.have.property('durations');
    expect(result.durations.build).to.be.greaterThan(0);
    expect(result.durations.push).to.be.greaterThan(0);
    expect(first.stderr, 'the push, layer by layer').to.match(/^ +layer [0-9a-f]{12} pushed/m);
    expect((await stage.machines('shop')).map(({ config }) => config['image'])).to.deep.equal([
      `${repository}@${digest}`,
    ]);
    expect((await (await fetch(result.url ?? '')).text()).trim()).to.equal('one');

    const second = await deploy('one', context.path);
    expect(second.code, second.stderr).to.equal(0);
    expect(second.stderr).to.contain('--> Build image: skipped, found remotely');
    const said = `${repository}:one was found: nothing is built from ${context.path} (--build always builds it)`;
    expect(second.stderr).to.contain(said);
    const unnamed = await deploy('one');
    expect(unnamed.code, unnamed.stderr).to.equal(0);
    expect(unnamed.stderr).to.not.contain('--build always');
  });

  it('builds nothing when it must not, and nothing where the registry does not say that it is missing', async () => {
    await using context = await makeContext({ Dockerfile: dockerfile('nothing') });
    const never = await deploy('nothing', context.path, '--build', 'never');
    expect(never.code, never.stderr).to.equal(3);
    expect(never.stderr).to.contain(`Could not find image "${repository}:nothing"`);
    expect(never.stderr).to.contain('nothing is built: --build never');
    const fromNothing = await deploy('nothing');
    expect(fromNothing.code, fromNothing.stderr).to.equal(3);
    expect(fromNothing.stderr).to.contain(`deployer deploy . --image ${repository}:nothing`);

    await using closed = await startDockerRegistry({ auth: { kind: 'basic', user: 'a', password: 'b' } });
    const unauthorized = await stage.run(
      ['deploy', context.path, '--image', `${closed.host}/shop:nothing`],
      engineEnv(),
    );
    expect(unauthorized.code, unauthorized.stderr).to.equal(4);
    const nowhere = await stage.run(
      ['deploy', context.path, '--image', '127.0.0.1:1/shop:nothing'],
      engineEnv(),
    );
    expect(nowhere.code, nowhere.stderr).to.equal(12);
    const digest = `sha256:${'0'.repeat(64)}`;
    const byDigest = await stage.run(
      ['deploy', context.path, '--image', `${repository}@${digest}`, '--build', 'missing'],
      engineEnv(),
    );
    expect(byDigest.code, byDigest.stderr).to.equal(3);
    expect(byDigest.stderr).to.contain('nothing is built: a digest is what a build gives');
    expect(await imagesCalled('nothing')).to.deep.equal([]);
  });

  it('plans the build, the push and the release without any of them', async () => {
    await using context = await makeContext({ Dockerfile: dockerfile('planned') });
    const before = await machines();
    const { code, stdout, stderr } = await deploy('planned', context.path, '--dry-run', '--json');
    expect(code, stderr).to.equal(0);
    const { plan } = documentIn('plan', stdout);
    expect(plan.steps.map(({ step, action }) => `${step} ${action}`)).to.deep.equal([
      ...['adapt none', 'build build', 'push push', 'release release'],
    ]);
    expect(plan.steps[1]?.summary).to.match(/provenance off \(auto: .*\), by docker 20\.10\./);
    expect(plan.writes.slice(0, 2).map(({ method, url }) => `${method} ${url}`)).to.deep.equal([
      `POST ${engine.dockerHost}/build`,
      `POST ${engine.dockerHost}/images/${repository}/push`,
    ]);
    expect(stdout).to.not.contain('0000000');
    expect(await imagesCalled('planned')).to.deep.equal([]);
    expect((await manifest('planned')).status).to.equal(404);
    expect(await machines()).to.deep.equal(before);
    const dated = await stage.run(
      ['deploy', context.path, '--image', `${repository}:planned`, '--dry-run', '--json'],
      { env: { DOCKER_HOST: engine.dockerHost, SOURCE_DATE_EPOCH: '1700000000' } },
    );
    expect(documentIn('plan', dated.stdout).plan.steps[1]?.summary).to.contain(
      ', SOURCE_DATE_EPOCH 2023-11-14T22:13:20Z only for steps that ask for it, by docker 20.10.',
    );
    const text = await deploy('planned', context.path, '--dry-run');
    expect(text.stdout).to.contain(`${repository}:planned, by the digest that it is built with`);
    const noEngine = await stage.run(
      ['deploy', context.path, '--image', `${repository}:planned`, '--dry-run'],
      { env: { DOCKER_HOST: 'unix:///nonexistent/engine.sock' } },
    );
    expect(noEngine.code, noEngine.stderr).to.equal(12);
    const foreign = await deploy('planned', context.path, '--platform', 'linux/arm64');
    expect(foreign.code, foreign.stderr).to.equal(5);
  });

  it('where the platform is not logged in, plans and makes the copy to its own registry too', async () => {
    await using closed = await startDockerRegistry({ auth: { kind: 'basic', user: 'a', password: 'b' } });
    await using context = await makeContext({ Dockerfile: dockerfile('closed') });
    const own = stage.platform.emulator.registry;
    const options = {
      env: {
        ...engineEnv().env,
        ...loggedIn(closed.host, basicEntry('a', 'b')),
        FLY_REGISTRY_HOST: own,
      },
    };
    const args = ['deploy', context.path, '-i', `${closed.host}/team/app:v1`, '-a', 'closed', '--json'];
    const dry = await stage.run([...args, '--dry-run'], options);
    expect(dry.code, dry.stderr).to.equal(0);
    const { plan } = documentIn('plan', dry.stdout);
    expect(plan.steps.map(({ action }) => action)).to.deep.equal([
      'none',
      'build',
      'push',
      'copy',
      'release',
    ]);
    expect(plan.writes.map(({ url }) => url)).to.include(`http://${own}/v2/closed`);
    const done = await stage.run(args, options);
    expect(done.code, done.stderr).to.equal(0);
    const { image } = documentIn('deploy', done.stdout);
    expect(image.deployed).to.equal(`${own}/closed@${image.digest}`);
  });

  it('refuses a provenance that the engine can not give where it is asked for: in the file, by its line', async () => {
    await using context = await makeContext({
      Dockerfile: dockerfile('attested'),
      'fly.toml': `[build]\n  dockerfile = "Dockerfile"\n  provenance = "max"\n`,
    });
    for (const builder of ['0', '1']) {
      const env = { DOCKER_HOST: engine.dockerHost, DOCKER_BUILDKIT: builder };
      const args = ['deploy', '--image', `${repository}:attested`, '--app', 'shop'];
      const { code, stderr } = await stage.run(args, { env, cwd: context.path });
      expect(code, stderr).to.equal(6);
      expect(stderr)
        .to.match(/✖ fly\.toml:3: build\.provenance max: .* can't attest where an image comes from/)
        .and.match(/ (?:Try:|or) take out fly\.toml:3: build\.provenance/);
      const flag = await stage.run([...args, '--provenance', 'min'], { env, cwd: context.path });
      expect(flag.stderr).to.contain('✖ --provenance min: ').and.contain('leave it out: --provenance off');
    }
  });

  it('with --build always builds over what is there, with an event for each step of the build', async () => {
    await using context = await makeContext({
      'docker/Dockerfile': dockerfile('two', 'ARG WHO=nobody\nRUN echo built for $WHO; seq 1 3000\n'),
      'fly.toml': `${flyToml('shop')}\n[build]\n  dockerfile = "docker/Dockerfile"\n  args = { WHO = "blue" }\n`,
    });
    const events = join(context.path, 'events.ndjson');
    const { code, stderr } = await stage.run(
      ['deploy', '--image', `${repository}:one`, '--build', 'always', '--events', events],
      { ...engineEnv(), cwd: context.path },
    );
    expect(code, stderr).to.equal(0);
    expect(stderr).to.contain("--> Searching for image '").and.contain('skipped, --build always');
    expect(stderr, 'as docker build shows it').to.match(/^ {4}#\d+ built for blue$/m);
    const told = (await readFile(events, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; step?: string; vertex?: Record<string, unknown> });
    expect(new Set(told.map(({ type }) => type.split('.')[0]))).to.deep.equal(
      new Set(['plan', 'step', 'release', 'done']),
    );
    const vertices = told.flatMap(({ vertex }) => (vertex === undefined ? [] : [vertex]));
    const run = vertices.filter(({ name }) => String(name).includes('RUN echo built'));
    expect(run).to.have.length(1);
    expect(run[0]).to.include({ cached: false }).and.have.property('durationMs').that.is.greaterThan(0);
    // What it printed is in none of them.
    expect(told.length).to.be.lessThan(60);
    expect(told.filter(({ type }) => type === 'plan')).to.have.length(2);
    expect((await (await fetch(await urlOf())).text()).trim()).to.equal('two');
  });

  it('a RUN that fails ends with 6, its line and what it printed; what ran before goes on', async () => {
    const before = await machines();
    await using context = await makeContext({ Dockerfile: dockerfile('bad', 'RUN echo oops; exit 3\n') });
    const { code, stderr, stdout } = await deploy('bad', context.path);
    expect([code, stdout]).to.deep.equal([6, '']);
    expect(stderr).to.contain('Dockerfile:2: RUN echo oops; exit 3 ended with exit code 3');
    expect(stderr).to.match(/\| oops\n/);
    expect((await manifest('bad')).status).to.equal(404);
    expect(await machines()).to.deep.equal(before);
  });

  it('Ctrl-C ends the build in the engine, and nothing is released', async () => {
    const before = await machines();
    await using context = await makeContext({
      Dockerfile: dockerfile('never', 'RUN echo started; sleep 4713\n'),
    });
    const program = stage.start(['deploy', context.path, '--image', `${repository}:never`], engineEnv());
    await eventually(() => expect(program.stderr()).to.match(/#\d+ started$/m), 20_000);
    expect(await pidsOf('sleep 4713')).to.have.length.greaterThan(0);
    program.kill('SIGINT');
    await eventually(
      async () => expect(await pidsOf('sleep 4713'), program.stderr()).to.deep.equal([]),
      3000,
    );
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.contain('Interrupted: ending the build;').and.not.contain('putting back');
    expect(stderr).to.contain('the build was ended: nothing was pushed, nothing released');
    expect(await machines()).to.deep.equal(before);
  });

  it('Ctrl-C during the push ends it in the engine, says so, and nothing is released', async () => {
    const before = await machines();
    await using slow = await startFaultyProxy({ host: stage.platform.emulator.registry }, ({ method }) =>
      method === 'PATCH' ? { kind: 'slow' } : undefined,
    );
    await using way = await startEngineProxy(engine.socketPath);
    await using context = await makeContext({ Dockerfile: dockerfile('slow', 'COPY big.bin /\n') });
    await writeFiles(context.path, { 'big.bin': randomBytes(30_000_000) });
    const program = stage.start(['deploy', context.path, '-i', `${slow.host}/shop:slow`], {
      env: { DOCKER_HOST: way.dockerHost },
    });
    const sending = () => slow.exchanges.filter(({ method }) => method === 'PATCH');
    await eventually(
      () =>
        expect(
          sending().some(({ bodyBytes }) => bodyBytes > 1_000_000),
          program.stderr(),
        ).to.equal(true),
      20_000,
    );
    program.kill('SIGINT');
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.contain('Interrupted: ending the push;').and.not.contain('putting back');
    expect(stderr).to.contain('✖ interrupted by SIGINT\n');
    expect(stderr)
      .to.contain(`the push to ${slow.host}/shop:slow was ended`)
      .and.contain('nothing was released');
    await eventually(() => {
      expect(way.open()).to.deep.equal([]);
      expect(sending().filter(({ isLeft, bodyBytes }) => !isLeft && bodyBytes > 1_000_000)).to.deep.equal([]);
    });
    const sent = slow.exchanges.length;
    expect((await manifest('slow')).status).to.equal(404);
    expect(await machines()).to.deep.equal(before);
    expect(slow.exchanges, 'it is not tried again').to.have.length(sent);
  });

  it('another image that got its name before the push is not released', async () => {
    const before = await machines();
    const take = () => engine.docker.getImage(BASE).tag({ repo: repository, tag: 'taken' });
    await using way = await startEngineProxy(engine.socketPath, beforeFirst('push', take));
    await using context = await makeContext({ Dockerfile: dockerfile('taken') });
    const args = ['deploy', context.path, '--image', `${repository}:taken`];
    const { code, stderr } = await stage.run(args, { env: { DOCKER_HOST: way.dockerHost } });
    expect(code, stderr).to.equal(7);
    expect(stderr).to.contain(`${repository}:taken is not what was built: the engine pushed another image`);
    expect(await machines()).to.deep.equal(before);
    // A deploy that searches would find the other's now.
    const again = await deploy('taken', context.path, '--build', 'always');
    expect(again.code, again.stderr).to.equal(0);
    expect((await (await fetch(await urlOf())).text()).trim()).to.equal('taken');
  });

  it('a release that fails after the push says by digest that the image stays in its registry', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCMD ["/bin/busybox", "false"]\n` });
    const { code, stdout, stderr } = await deploy('ends', context.path, '--json');
    expect(code, stderr).to.equal(8);
    const { error } = JSON.parse(stdout) as { error: { evidence: string[] } };
    const digest = (await manifest('ends')).headers.get('docker-content-digest') ?? '';
    expect(error.evidence).to.include(
      `the image was pushed, and stays in its registry: ${repository}@${digest}`,
    );
  });

  it('a dry run reads the secrets too: one that is not there is named, and no engine is asked', async () => {
    await using way = await startEngineProxy(engine.socketPath);
    await using context = await makeContext({ Dockerfile: dockerfile('secret') });
    const image = ['--image', `${repository}:secret`, '--dry-run', '--build-secret'];
    const env = { DOCKER_HOST: way.dockerHost };
    const file = await stage.run(['deploy', context.path, ...image, 'id=npm,src=nowhere/.npmrc'], { env });
    expect(file.code, file.stderr).to.equal(2);
    expect(file.stderr).to.contain("--build-secret: npm: nowhere/.npmrc can't be read (ENOENT)");
    const variable = await stage.run(['deploy', context.path, ...image, 'id=npm,env=NPM_TOKEN'], { env });
    expect(variable.code, variable.stderr).to.equal(2);
    expect(variable.stderr).to.contain('--build-secret: the variable NPM_TOKEN is not set');
    expect(way.begun()).to.deep.equal([]);
  });

  it('shows on a terminal each step of the build as it ends, under the step of the deploy', async () => {
    await using context = await makeContext({ Dockerfile: dockerfile('seen') });
    const image = `${repository}:seen`;
    const terminal = onTerminal(stage, ['deploy', context.path, '-i', image], engineEnv().env);
    const { code, screen } = await terminal.finished;
    expect(code, screen.join('\n')).to.equal(0);
    const lines = stable(screen);
    const at = (start: string): number => lines.findIndex((line) => line.startsWith(start));
    expect(lines[at('✔ Searching')], screen.join('\n')).to.contain(
      'not there: the registry knows no such tag; it is built',
    );
    expect(lines[at('✔ Adapt image to fly')]).to.contain('to be built as a single manifest for linux/amd64');
    const steps = lines.slice(at('✔ Build image') + 1, at('✔ Push image'));
    expect(steps.join('\n')).to.match(/^ +› \[2\/2\] RUN echo seen > \/www\/index\.html/m);
    expect(lines[at('✔ Push image')]).to.match(/Docker manifest sha256:…/);
    expect(at('✔ Release v')).to.be.greaterThan(at('✔ Push image'));
  });
});
