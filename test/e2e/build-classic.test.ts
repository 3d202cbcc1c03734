import { execFile } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { build, type BuildRequest } from '../../src/engine/build/build.js';
import { chooseBuilder } from '../../src/engine/build/builder.js';
import { buildClassic } from '../../src/engine/build/classic.js';
import type { BuildEvent } from '../../src/engine/build/progress.js';
import { probeEngine } from '../../src/engine/capabilities.js';
import { Engine } from '../../src/engine/engine.js';
import { makeContext, writeFiles } from '../support/build-context.js';
import { importBusybox, startDockerEngine, type DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { eventually } from '../support/eventually.js';
import { failureOf } from '../support/failure.js';
import { documentIn } from '../support/json-documents.js';
import { startPodmanEngine } from '../support/podman-engine.js';
import { pidsOf } from '../support/processes.js';
import { runProgram, startProgram, type Finished, type RunOptions } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';

/** Podman imports under this tag, whatever it is told. */
const BASE = 'base:latest';
/** Six seconds, in words that no other process of this machine has. */
const NAP = 'sleep 0006';
const NEVER = new AbortController().signal;
/**
 * What COPY made of a context: type and mode, owner, links, size, time and name of everything. Without the times of
 * folders: BuildKit's COPY does not keep them.
 */
const LISTED = `FROM ${BASE}
COPY . /app/
RUN cd /app && { find . -type d -exec stat -c '%A %u:%g %h - - %N' {} + ; find . ! -type d -exec stat -c '%A %u:%g %h %s %Y %N' {} + ; } | grep -v ' [.]$' | sort -k6
`;
/** Name, mode, major and minor (hexadecimal) and type of all that is no file, folder or link. */
const DEVICES = `FROM ${BASE}
COPY . /app/
RUN find /app ! -type d ! -type f -exec stat -c '%n %a %t:%T %F' {} + | sort
`;

describe('deployer build without BuildKit', function () {
  requires('docker-engine', 'podman', 'docker-registry', 'busybox', 'htpasswd');
  this.timeout(120_000);
  let docker: DockerEngine;
  let podman: Awaited<ReturnType<typeof startPodmanEngine>>;
  let registry: DockerRegistry;
  let home: TempFolder;
  before(async () => {
    [docker, podman, registry, home] = await Promise.all([
      startDockerEngine({ settings: { features: { buildkit: false } } }),
      startPodmanEngine(),
      startDockerRegistry(),
      makeTempFolder('home'),
    ]);
    await Promise.all([importBusybox(docker.docker, BASE), importBusybox(podman.docker, BASE)]);
  });
  after(async () => {
    await Promise.all([docker.stop(), podman.stop(), registry.stop(), home.remove()]);
  });

  const ENGINES = [
    ['the classic builder of Docker 20.10', () => docker],
    ['Podman', () => podman],
  ] as const;
  const environment = (engine: Pick<DockerEngine, 'dockerHost'>, env: RunOptions['env'] = {}) => ({
    ...{ HOME: home.path, DOCKER_HOST: engine.dockerHost },
    ...env,
  });
  const run = (
    engine: Pick<DockerEngine, 'dockerHost'>,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Finished> =>
    runProgram(['build', ...args], { ...options, env: environment(engine, options.env) });
  const buildOf = async (...of: Parameters<typeof run>) => {
    const [engine, args, options] = of;
    const finished = await run(engine, [...args, '--json'], options);
    expect(finished.code, finished.stdout + finished.stderr).to.equal(0);
    return documentIn('build', finished.stdout);
  };
  /** What a build prints, without its own words. */
  async function printedBy(
    engine: Pick<DockerEngine, 'docker'>,
    how: 'classic' | 'buildkit',
    request: Pick<BuildRequest, 'context' | 'dockerfile'>,
    onEvent: (event: BuildEvent) => void = () => undefined,
  ): Promise<string[]> {
    const lines: string[] = [];
    const client = new Engine(engine.docker);
    const settings = {
      ...{ tags: ['listed:1'], buildArgs: {}, labels: {}, noCache: true },
      ...{ platforms: [], cacheFrom: [], cacheTo: [], ...request },
    };
    const ports = {
      engine: client,
      signal: NEVER,
      findLogin: () => Promise.resolve(undefined),
      hostPlatform: 'linux/amd64',
      onEvent: (event: BuildEvent) => {
        onEvent(event);
        if (event.type === 'log') lines.push(event.line);
      },
    };
    const builder = chooseBuilder(await probeEngine(client, NEVER), how === 'classic' ? '0' : '1');
    if (builder.kind === 'classic') await buildClassic(settings, builder, ports);
    else await build({ ...settings, output: { store: 'graphdriver' }, secrets: new Map() }, ports);
    return lines;
  }
  const text = { text: LISTED };
  /** A build that has begun to run the command. */
  async function startSleeping(engine: Pick<DockerEngine, 'dockerHost'>, command: string) {
    const steps = `RUN echo started; ${command}\nRUN sleep 4728\n`;
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n${steps}` });
    const program = startProgram(['build', context.path, '--tag', 'never:1'], { env: environment(engine) });
    await eventually(() => expect(program.stderr()).to.match(/^#\d+ started$/m), 20_000);
    await eventually(async () => expect(await pidsOf(command)).to.have.lengthOf(1), 5000);
    return program;
  }

  for (const [name, engineOf] of ENGINES) {
    describe(`by ${name}`, () => {
      it('builds, pushes with a login, and says what the registry really has', async () => {
        await using closed = await startDockerRegistry({
          auth: { kind: 'basic', user: 'alice', password: 'correct-horse' },
        });
        await using context = await makeContext({
          Dockerfile: `FROM ${BASE} AS first\nARG WHO=nobody\nRUN echo "hello $WHO"\nFROM first AS second\nRUN echo never\n`,
        });
        const reference = `${closed.host}/team/built:v1`;
        const args = [context.path, '--tag', reference, '--push', '--build-target', 'first'];
        const shaped = ['--build-arg', 'WHO=world', '--label', 'org.example.team=blue'];
        // Cached steps must not lose the labels.
        await buildOf(engineOf(), [...args.slice(0, 3), ...args.slice(4), ...shaped.slice(0, 2)]);
        expect((await run(engineOf(), args)).code).to.equal(4);
        await using config = await configFor(closed.host, 'alice', 'correct-horse');
        const result = await buildOf(engineOf(), [...args, ...shaped], {
          env: { DOCKER_CONFIG: config.path },
        });
        expect(result).to.deep.include({ reference, kind: 'manifest', attestations: [], pushed: true });
        const head = await fetch(`${closed.url}/v2/team/built/manifests/v1`, {
          method: 'HEAD',
          headers: {
            accept: result.mediaType ?? '',
            authorization: `Basic ${Buffer.from('alice:correct-horse').toString('base64')}`,
          },
        });
        expect(head.headers.get('docker-content-digest')).to.equal(result.digest);
        const { Config } = await engineOf().docker.getImage(reference).inspect();
        expect(Config.Labels).to.include({ 'org.example.team': 'blue' });
      });

      it('passes SOURCE_DATE_EPOCH to the steps, and says that it dates nothing else', async () => {
        await using context = await makeContext({
          Dockerfile: `FROM ${BASE}\nARG SOURCE_DATE_EPOCH\nRUN echo "at $SOURCE_DATE_EPOCH"\n`,
        });
        const { code, stderr } = await run(engineOf(), [context.path, '--tag', 'dated:1'], {
          env: { SOURCE_DATE_EPOCH: '1700000000' },
        });
        expect(code, stderr).to.equal(0);
        expect(stderr).to.match(/^#\d+ at 1700000000$/m);
        expect(stderr.match(/^warning: .*SOURCE_DATE_EPOCH reaches only steps that ask/gm)).to.have.lengthOf(
          1,
        );
      });

      it('shows the steps as BuildKit does: number, name, what they print, CACHED', async () => {
        await using context = await makeContext({
          Dockerfile: `FROM ${BASE}\nRUN echo shown && \\\n    echo 'Step 9/9 : RUN nothing' >&2\n`,
        });
        const first = await run(engineOf(), [context.path, '--tag', 'steps:1', '--no-cache']);
        expect(first.stderr).to.match(/^#1 \[internal\] load build context\n#1 DONE /);
        expect(first.stderr).to.match(/^#3 \[2\/2\] RUN echo shown && echo 'Step 9\/9 : RUN nothing' >&2$/m);
        expect(first.stderr)
          .to.match(/^#3 shown$/m)
          .and.match(/^#3 Step 9\/9 : RUN nothing$/m);
        expect(first.stderr)
          .to.match(/^#3 DONE \d+\.\ds$/m)
          .and.not.contain('#4')
          .and.not.contain('-->');
        await run(engineOf(), [context.path, '--tag', 'steps:1']);
        const { stderr } = await run(engineOf(), [context.path, '--tag', 'steps:1']);
        expect(stderr).to.match(/^#3 CACHED$/m);
      });

      it('a failing RUN ends with 6, its line of the Dockerfile and what it printed', async () => {
        await using context = await makeContext({
          Dockerfile: `FROM ${BASE}\n# a comment\nRUN echo one && \\\n    echo two\n\nRUN echo before; echo oops; exit 3\n`,
        });
        const { code, stdout, stderr } = await run(engineOf(), [context.path, '--tag', 'failing:1']);
        expect([code, stdout]).to.deep.equal([6, '']);
        expect(stderr).to.contain(`Dockerfile:6: RUN echo before; echo oops; exit 3 ended with exit code 3`);
        expect(stderr).to.match(/\| before\n +\| oops\n/);
        await writeFiles(context.path, { Dockerfile: `FROM ${BASE}\nCOPY nowhere /\n` });
        const missing = await run(engineOf(), [context.path, '--tag', 'failing:1']);
        expect(missing.code).to.equal(6);
        expect(missing.stderr).to.match(/the build failed: .*Dockerfile:2: .*nowhere/);
        await writeFiles(context.path, { Dockerfile: `FROM ${BASE}\nRUM echo\n` });
        const wrong = await run(engineOf(), [context.path, '--tag', 'failing:1']);
        expect(wrong.code).to.equal(6);
        expect(wrong.stderr).to.match(/unknown instruction: .?RUM/i);
        await writeFiles(context.path, { Dockerfile: `FROM ${BASE} AS one\n` });
        const stage = await run(engineOf(), [context.path, '--tag', 'x:1', '--build-target', 'two']);
        expect(stage.code).to.equal(6);
        expect(stage.stderr).to.contain('has no stage "two"').and.contain('there: one');
      });

      it('builds for the platform that is asked for, whatever platform its cache is of', async () => {
        const engine = engineOf();
        // As its own, each engine has a cache of it from the first build on.
        await using context = await makeContext({
          ...{ Dockerfile: 'FROM scratch\nCOPY one /\nCOPY two /\n', one: '1', two: '2' },
        });
        const platformOf = async (tag: string, ...args: readonly string[]) => {
          const reference = `${registry.host}/platforms/${tag}:1`;
          const finished = await run(engine, [context.path, '--tag', reference, '--push', ...args]);
          expect(finished.code, finished.stderr).to.equal(0);
          const { Os, Architecture } = await engine.docker.getImage(reference).inspect();
          return { is: `${Os}/${Architecture}`, ...finished };
        };
        expect(await platformOf('own')).to.include({ is: 'linux/amd64' });
        expect(await platformOf('arm', '--platform', 'linux/arm64')).to.include({ is: 'linux/arm64' });
        expect(await platformOf('own', '--platform', 'linux/amd64')).to.include({ is: 'linux/amd64' });
        expect(await platformOf('arm', '--platform', 'linux/arm64')).to.include({ is: 'linux/arm64' });
        expect(await platformOf('own')).to.include({ is: 'linux/amd64' });
        const again = await platformOf('own');
        expect(again).to.include({ is: 'linux/amd64' });
        expect(again.stderr).to.contain('CACHED').and.not.contain('every step is run again');
      });

      it('pulls a private base image with the login of its own registry', async () => {
        await using closed = await startDockerRegistry({
          auth: { kind: 'basic', user: 'alice', password: 'correct-horse' },
        });
        await using config = await configFor(closed.host, 'alice', 'correct-horse');
        const env = { DOCKER_CONFIG: config.path };
        const base = `${closed.host}/private/base:1`;
        await using made = await makeContext({ Dockerfile: `FROM ${BASE}\nENV PRIVATE=yes\n` });
        await buildOf(engineOf(), [made.path, '--tag', base, '--push'], { env });
        await engineOf().docker.getImage(base).remove();
        await using context = await makeContext({
          Dockerfile: `ARG HOST\nFROM $HOST/private/base:1\nRUN echo "private: $PRIVATE"\n`,
        });
        const args = [context.path, '--tag', 'private:1', '--build-arg', `HOST=${closed.host}`];
        const refused = await run(engineOf(), args);
        expect(refused.code, refused.stderr).to.equal(4);
        expect(refused.stderr).to.contain(`docker login ${closed.host}`);
        await using other = await configFor('other.example', 'a', 'b');
        const ofOther = await run(engineOf(), args, { env: { DOCKER_CONFIG: other.path } });
        expect(ofOther.code, ofOther.stderr).to.equal(4);
        expect(ofOther.stderr).to.contain(`docker login ${closed.host}`);
        await using wrong = await configFor(closed.host, 'alice', 'wrong');
        const denied = await run(engineOf(), args, { env: { DOCKER_CONFIG: wrong.path } });
        expect(denied.code, denied.stderr).to.equal(4);
        expect(denied.stderr).to.contain(
          `asked as alice, with the login of ${join(wrong.path, 'config.json')}`,
        );
        const { code, stderr } = await run(engineOf(), args, { env });
        expect(code, stderr).to.equal(0);
        expect(stderr).to.contain('private: yes').and.not.contain('correct-horse');
      });

      it('takes of a context what FileSync takes: kinds, modes, links, times, names', async () => {
        await using context = await makeContext({
          ...{ 'run.sh': 'x', 'sub/one': '1', 'ü/ß.txt': 'ü', 'Dockerfile.dockerignore': 'left-out\n' },
          ...{ 'left-out/a': '', 'left-out/keep': '', [`${'long-name/'.repeat(15)}${'x'.repeat(120)}`]: 'l' },
          'large.bin': Buffer.alloc(1_500_000, 7),
        });
        const script =
          'chmod 750 run.sh; chmod 1777 sub; ln sub/one two; ln -s ../run.sh sub/link; mkfifo pipe; mkdir empty; ln -s $(printf "%0150d" 1)/ü long; touch -d 2001-02-03 run.sh two empty large.bin';
        await promisify(execFile)('sh', ['-c', script], { cwd: context.path });
        const request = { context: context.path, dockerfile: text };
        const wanted = await printedBy(docker, 'buildkit', request);
        expect(wanted.length).to.be.greaterThan(25);
        const printed = await printedBy(engineOf(), 'classic', request);
        // BuildKit gets it too, and leaves it out of what COPY copies.
        expect(printed.filter((line) => !line.endsWith(' ./pipe'))).to.deep.equal(wanted);
        expect(wanted.join('\n'))
          .to.match(/^-rwxr-x--- 0:0 1 1 981\d+ \.\/run\.sh$/m)
          .and.match(/^-rw-r--r-- 0:0 2 1 981\d+ \.\/two$/m);
      });

      it('takes of devices and pipes what docker takes of them; of a socket it says that it is left out', async () => {
        await using context = await makeContext({ 'a.txt': 'a' });
        const script = 'mkdir sub; mknod null c 1 3; mknod sub/block b 7 300; chmod 640 null; mkfifo pipe';
        await promisify(execFile)('sh', ['-c', script], { cwd: context.path });
        const listening = createServer().listen(join(context.path, 'a.sock'));
        const warnings: string[] = [];
        const request = { context: context.path, dockerfile: { text: DEVICES } };
        const printed = await printedBy(engineOf(), 'classic', request, (event) => {
          if (event.type === 'warning') warnings.push(event.message);
        });
        listening.close();
        expect(printed).to.deep.equal([
          '/app/null 640 1:3 character special file',
          '/app/pipe 644 0:0 fifo',
          '/app/sub/block 644 7:12c block special file',
        ]);
        expect(warnings).to.include('a.sock is left out: a socket can not be sent');
      });

      it('takes a Dockerfile from outside, and one that is left out, and shows neither to COPY', async () => {
        await using context = await makeContext({
          ...{ 'a.txt': 'a', 'b.txt': 'b', Dockerfile: LISTED },
          '.dockerignore': 'b.txt\nDockerfile\n.dockerignore\n',
        });
        await using elsewhere = await makeContext({
          'Other.Dockerfile': LISTED,
          'Other.Dockerfile.dockerignore': '*\n!b.txt\n',
        });
        const namesBy = async (dockerfile: BuildRequest['dockerfile']): Promise<unknown[]> =>
          (await printedBy(engineOf(), 'classic', { context: context.path, dockerfile })).map(
            (line) => / \.\/(.*)/.exec(line)?.[1],
          );
        const own = { folder: context.path, name: 'Dockerfile' };
        expect(await namesBy(own)).to.deep.equal(['a.txt']);
        expect(await namesBy(text)).to.deep.equal(['a.txt']);
        const outside = { folder: elsewhere.path, name: 'Other.Dockerfile' };
        expect(await namesBy(outside)).to.deep.equal(['b.txt']);
      });

      it('a file that changes while it is sent ends the build, with its name', async () => {
        await using context = await makeContext({ 'a.bin': Buffer.alloc(4_000_000), 'z.bin': '' });
        const grown = join(context.path, 'z.bin');
        await truncate(grown, 200_000_000);
        const error = await failureOf(() =>
          printedBy(engineOf(), 'classic', { context: context.path, dockerfile: text }, (event) => {
            const isBegun = event.type === 'progress' && event.current > 10_000_000;
            if (isBegun) truncateSync(grown, 150_000_000);
          }),
        );
        expect(error.code).to.equal('context_unreadable');
        expect(error.message).to.equal(
          "z.bin of the build context can't be read: it changed while it was being sent",
        );
        // It is the build that is over, not the engine.
        expect(await engineOf().docker.ping()).to.not.equal(undefined);
      });

      it('refuses before the build what it would leave out, and names the engine', async () => {
        await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n` });
        const who = name === 'Podman' ? 'Podman 4.' : 'Docker 20.10';
        for (const args of [
          ['--build-secret', 'id=one,env=HOME'],
          ['--provenance', 'min'],
          ['--provenance', 'max'],
        ]) {
          const { code, stderr } = await run(engineOf(), [context.path, '--tag', 'x:1', ...args]);
          expect(code, stderr).to.equal(6);
          expect(stderr)
            .to.contain(`${args[0]} `)
            .and.contain(who)
            .and.contain('BuildKit')
            .and.not.contain('#1');
        }
      });
    });
  }

  it('reads a .dockerignore as BuildKit does', async () => {
    const files = ['a.md', 'b.txt', 'keep.log', 'e.log', '#x', 'docs/a.md', 'docs/deep/b.md'];
    await using context = await makeContext(Object.fromEntries(files.map((name) => [name, name])));
    for (const ignore of ['# a comment\n\n  *.log  \n!keep.log\n #x', '\uFEFF*\r\n!docs\r\ndocs/deep\r\n']) {
      await writeFile(join(context.path, '.dockerignore'), ignore);
      const request = { context: context.path, dockerfile: text };
      const [wanted, printed] = [
        await printedBy(docker, 'buildkit', request),
        await printedBy(docker, 'classic', request),
      ];
      // Where the file itself is sent it has a line more, which names the Dockerfile.
      const plain = (lines: string[]): string[] => lines.filter((line) => !line.endsWith(' ./.dockerignore'));
      expect(plain(printed), JSON.stringify(ignore)).to.deep.equal(plain(wanted));
    }
  });

  it('builds again without its cache, and says so, where Docker has the steps for another platform', async () => {
    await using context = await makeContext({ Dockerfile: 'FROM scratch\nCOPY one /\n', one: 'again' });
    expect((await run(docker, [context.path, '--tag', 'again:1'])).code).to.equal(0);
    const args = [context.path, '--tag', 'again:2', '--platform', 'linux/arm64'];
    const { code, stderr } = await run(docker, args);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/^warning: every step is run again, for linux\/arm64: Docker .*linux\/amd64$/m);
  });

  it('a base image for another platform is an error before the push, and FROM --platform is none', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY one /\n`, one: '1' });
    const reference = `${registry.host}/platforms/base:1`;
    const args = [context.path, '--tag', reference, '--push', '--platform', 'linux/arm64'];
    const refused = await run(docker, args);
    expect(refused.code, refused.stderr).to.equal(6);
    expect(refused.stderr).to.contain('the image is for linux/amd64, not for linux/arm64');
    expect((await fetch(`${registry.url}/v2/platforms/base/manifests/1`)).status).to.equal(404);
    await writeFile(join(context.path, 'Dockerfile'), `FROM --platform=linux/amd64 ${BASE}\nCOPY one /\n`);
    const pinned = await run(docker, args);
    expect(pinned.code, pinned.stderr).to.equal(0);
  });

  it('Ctrl-C ends what Docker runs within 3 s, and leaves no container', async () => {
    const program = await startSleeping(docker, 'sleep 4727');
    program.kill('SIGINT');
    await eventually(async () => {
      expect(await pidsOf('sleep 4727')).to.deep.equal([]);
      expect(await docker.docker.listContainers({ all: true })).to.deep.equal([]);
    }, 3000);
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
  });

  it('Ctrl-C ends a build by Podman after the step that it runs, and says so', async () => {
    const program = await startSleeping(podman, NAP);
    program.kill('SIGINT');
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.contain('Podman runs the step that it is at to its end');
    await eventually(async () => expect(await pidsOf(NAP)).to.deep.equal([]), 10_000);
    expect(await pidsOf('sleep 4728')).to.deep.equal([]);
    const images = await podman.docker.listImages();
    expect(images.flatMap(({ RepoTags }) => RepoTags ?? []).join()).to.not.contain('never');
  });

  it('DOCKER_BUILDKIT decides over the engine, and must make sense', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nRUN --mount=type=cache,target=/cache echo mounted\n`,
    });
    const args = [context.path, '--tag', 'mounted:1', '--no-cache'];
    const refused = await run(docker, args);
    expect(refused.code).to.equal(6);
    expect(refused.stderr).to.contain(`${context.path}/Dockerfile:2: RUN --mount: Docker 20.10`);
    expect(refused.stderr).to.contain('Try: build with BuildKit: DOCKER_BUILDKIT=1');
    const built = await run(docker, args, { env: { DOCKER_BUILDKIT: '1' } });
    expect(built.code, built.stderr).to.equal(0);
    expect(built.stderr).to.contain('mounted');
    expect((await run(docker, args, { env: { DOCKER_BUILDKIT: 'perhaps' } })).code).to.equal(2);
  });
});

/** A docker configuration that knows one login. */
async function configFor(host: string, user: string, password: string): Promise<TempFolder> {
  const auth = Buffer.from(`${user}:${password}`).toString('base64');
  return makeContext({ 'config.json': JSON.stringify({ auths: { [host]: { auth } } }) });
}
