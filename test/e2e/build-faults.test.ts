import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { build } from '../../src/engine/build/build.js';
import { connectEngine } from '../../src/engine/connect.js';
import { Engine } from '../../src/engine/engine.js';
import { makeContext } from '../support/build-context.js';
import { importBusybox, startDockerEngine, type DockerEngine } from '../support/docker-engine.js';
import { startEngineProxy } from '../support/engine-proxy.js';
import { eventually } from '../support/eventually.js';
import { documentIn } from '../support/json-documents.js';
import { runProgram, startProgram, type Finished, type RunOptions } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder } from '../support/temp-folder.js';

const execute = promisify(execFile);
const BASE = 'base:test';
const DOCKER = '/usr/bin/docker';
const MIB = 2 ** 20;
/** As root, whom the modes of files do not keep from reading otherwise. */
const WITHOUT_RIGHTS = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'];
/** The number of ELF for it. */
const AARCH64 = 183;

describe('deployer build, when something is wrong or odd', function () {
  requires('docker-engine', 'busybox');
  this.timeout(60_000);
  let engine: DockerEngine;
  before(async () => {
    engine = await startDockerEngine({ diskMiB: 96 });
    await importBusybox(engine.docker, BASE);
  });
  after(() => engine.stop());

  const run = (args: readonly string[], options: RunOptions = {}): Promise<Finished> =>
    runProgram(['build', ...args], { ...options, env: { DOCKER_HOST: engine.dockerHost, ...options.env } });
  const buildOf = async (...args: readonly string[]) => {
    const finished = await run([...args, '--json']);
    expect(finished.code, finished.stdout + finished.stderr).to.equal(0);
    return documentIn('build', finished.stdout);
  };

  describe("on the engine's disk", () => {
    it('no room for the context, or for what a step writes, ends with 6, its words and what mends it', async () => {
      await using large = await makeContext({
        Dockerfile: `FROM ${BASE}\nCOPY . /app\n`,
        ...{ 'one.bin': Buffer.alloc(60 * MIB, 1), 'two.bin': Buffer.alloc(60 * MIB, 2) },
      });
      const ofContext = await run([large.path, '--tag', 'full:1']);
      expect(ofContext.code, ofContext.stderr).to.equal(6);
      expect(ofContext.stderr).to.contain('no space left on device').and.contain('docker builder prune');
      await using context = await makeContext({
        Dockerfile: `FROM ${BASE}\nRUN dd if=/dev/zero of=/big bs=1M count=200\n`,
      });
      const ofStep = await run([context.path, '--tag', 'full:1', '--json']);
      expect(ofStep.code, ofStep.stderr).to.equal(6);
      const { error } = JSON.parse(ofStep.stdout) as { error: { code: string; suggestions: string[] } };
      expect(error).to.have.property('code', 'build_failed');
      expect(error.suggestions.join()).to.contain('docker builder prune');
    });
  });

  describe('of connections to the engine', () => {
    const slow = `FROM ${BASE}\nRUN echo started; sleep 100\n`;
    const requestOf = (context: string) => ({
      context,
      dockerfile: { folder: context, name: 'Dockerfile' },
      ...{ tags: ['left:1'], buildArgs: {}, labels: {}, noCache: false, secrets: new Map() },
      ...{ platforms: [], cacheFrom: [], cacheTo: [] },
      output: { store: 'graphdriver' } as const,
    });

    it('none is left by a build that ends well, fails, or is aborted, while the process lives on', async () => {
      await using way = await startEngineProxy(engine.socketPath);
      const { docker } = await connectEngine({
        env: { DOCKER_HOST: way.dockerHost },
        home: '/nonexistent',
        podman: false,
      });
      const attempt = async (
        dockerfile: string,
        signal: AbortSignal,
        onLog: () => void = () => undefined,
      ) => {
        await using context = await makeContext({ Dockerfile: dockerfile });
        return await build(requestOf(context.path), {
          engine: new Engine(docker),
          findLogin: () => Promise.resolve(undefined),
          hostPlatform: 'linux/amd64',
          onEvent: (event) => event.type === 'log' && onLog(),
          signal,
        }).then(
          () => 'built',
          (error: unknown) => `failed: ${String(error)}`,
        );
      };
      const { signal } = new AbortController();
      expect(await attempt(`FROM ${BASE}\nRUN true\n`, signal)).to.equal('built');
      expect(await attempt(`FROM ${BASE}\nRUN false\n`, signal)).to.contain('failed');
      expect(await attempt(`FROM ${BASE}\nRUM\n`, signal)).to.contain('failed');
      const abort = new AbortController();
      expect(await attempt(slow, abort.signal, () => abort.abort())).to.contain('failed');
      const made = way.begun().filter((line) => line.startsWith('POST /session'));
      expect(made).to.have.length(4);
      await eventually(() => expect(way.open()).to.deep.equal([]), 3000);
    });

    it('none is left by Ctrl-C, and no process; the program ends by itself', async () => {
      await using way = await startEngineProxy(engine.socketPath);
      await using context = await makeContext({ Dockerfile: slow });
      const program = startProgram(['build', context.path, '--tag', 'left:1'], {
        env: { DOCKER_HOST: way.dockerHost },
      });
      await eventually(() => expect(program.stderr()).to.match(/^#\d+ started$/m), 20_000);
      expect(await runBy(engine)).to.include('sleep 100');
      program.kill('SIGINT');
      await eventually(async () => expect(await runBy(engine)).to.not.include('sleep 100'), 3000);
      expect((await program.finished).code).to.equal(130);
      await eventually(() => expect(way.open()).to.deep.equal([]), 3000);
    });
  });

  it('a secret from a file or a variable reaches its step, and stays nowhere', async () => {
    const secrets = { file: 'secret-of-a-file-81', variable: 'secret-of-a-variable-82' };
    // Its letters come out turned around, which shows that the step had it.
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nRUN --mount=type=secret,id=one --mount=type=secret,id=two echo "had $(rev /run/secrets/one) $(rev /run/secrets/two)"; sleep 1\nRUN ls -l /run/secrets > /after 2>&1 || true\n`,
    });
    await using elsewhere = await makeContext({ one: secrets.file });
    await using temp = await makeTempFolder('tmp');
    const program = startProgram(
      [
        ...['build', context.path, '--tag', 'secret:1', '--verbose'],
        ...['--build-secret', `id=one,src=${elsewhere.path}/one`, '--build-secret', 'id=two,env=TWO'],
      ],
      { env: { DOCKER_HOST: engine.dockerHost, TMPDIR: temp.path, TWO: secrets.variable } },
    );
    await eventually(
      () =>
        expect(program.stderr()).to.contain(`had ${reversed(secrets.file)} ${reversed(secrets.variable)}`),
      20_000,
    );
    const { stdout: running } = await execute('ps', ['-eo', 'args']);
    const { code, stdout, stderr } = await program.finished;
    expect(code, stderr).to.equal(0);
    expect(await readdir(temp.path)).to.deep.equal([]);
    const { stdout: history } = await execute(DOCKER, ['history', '--no-trunc', 'secret:1'], {
      env: { DOCKER_HOST: engine.dockerHost, HOME: temp.path },
    });
    const config = JSON.stringify(await engine.docker.getImage('secret:1').inspect());
    // Layers, build cache, what was sent and the containers' logs all lie there.
    const data = join(dirname(engine.socketPath), 'data');
    for (const secret of Object.values(secrets)) {
      for (const text of [running, stdout, stderr, history, config, engine.log()]) {
        expect(text).to.not.contain(secret);
      }
      expect(await filesWith(secret, data)).to.equal('');
    }
    // What is searched is where things lie: the steps' own words are found.
    expect(await filesWith('/run/secrets/one', data)).to.not.equal('');
  });

  it('of odd files it makes what docker makes, and sends none again', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY . /app\n` });
    const make = [
      'mkdir a b c; echo x > a/one; ln a/one a/two; ln a/one b/three; echo y > b/own; ln b/own a/before',
      'ln -s /etc/passwd absolute; ln -s nowhere dangling; ln -s loop loop; ln -s ../../outside out; ln -s a folder',
      'echo s > setuid; chmod 6755 setuid; echo n > none; chmod 0000 none; chmod 1700 c; mkfifo pipe',
      'mknod null c 1 3; mknod block b 7 300; mkdir sub; mknod sub/zero c 1 5; chmod 640 sub/zero',
      'echo "with blank" > "a b"; echo n > "$(printf "new\\nline")"; echo % > "100%"; : > empty',
    ];
    await execute('sh', ['-ec', make.join('\n')], { cwd: context.path });
    const ours = await buildOf(context.path, '--tag', 'odd:ours');
    const again = await buildOf(context.path, '--tag', 'odd:ours');
    expect(again).to.deep.include({ contextBytesSent: 0, imageId: ours.imageId });
    // It writes into its home.
    await using home = await makeTempFolder('home');
    await execute(DOCKER, ['build', '--quiet', '--tag', 'odd:theirs', context.path], {
      env: { DOCKER_HOST: engine.dockerHost, DOCKER_BUILDKIT: '1', HOME: home.path },
    });
    expect((await engine.docker.getImage('odd:theirs').inspect()).Id).to.equal(ours.imageId);
  });

  it('names the file of the context that it can not send', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nCOPY . /app\n`,
      'sub/growing': 'x',
      // All that is sent at a time: it grows many times between being told and being sent.
      ...Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [`large-${name}`, Buffer.alloc(4 * MIB)])),
    });
    const growing = spawn('sh', ['-c', 'while printf more >> sub/growing; do :; done'], {
      cwd: context.path,
    });
    const changed = await run([context.path, '--tag', 'never:1']);
    growing.kill();
    await once(growing, 'close');
    expect(changed.code, changed.stderr).to.equal(6);
    expect(changed.stderr).to.contain('sub/growing of the build context').and.contain('it changed while');
    const named = Buffer.concat([Buffer.from(`${context.path}/sub/latin-`), Buffer.from([0xe9])]);
    await writeFile(named, 'x');
    const unnameable = await run([context.path, '--tag', 'never:1']);
    expect(unnameable.code, unnameable.stderr).to.equal(6);
    expect(unnameable.stderr).to.contain('sub/latin-\uFFFD of the build context').and.contain('UTF-8');
  });

  it('of a folder that a Dockerfile alone is taken from looks at nothing else', async () => {
    await using context = await makeContext({ a: 'a' });
    await using elsewhere = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY a /\n` });
    await writeFile(Buffer.concat([Buffer.from(`${elsewhere.path}/odd-`), Buffer.from([0xff])]), 'x');
    const { code, stderr } = await run([
      ...[context.path, '--dockerfile', join(elsewhere.path, 'Dockerfile'), '--tag', 'elsewhere:1'],
    ]);
    expect(code, stderr).to.equal(0);
  });

  it('takes a file of the year 2300, names it, and sends it once', async () => {
    await using context = await makeContext({ ...{ Dockerfile: `FROM ${BASE}\nCOPY a /\n` }, a: 'a' });
    await execute('touch', ['-d', '2300-01-01', join(context.path, 'a')]);
    const { code, stderr } = await run([context.path, '--tag', 'late:1']);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/^warning: a: of a time of change before 1677 or after 2262 /m);
    await writeFile(join(context.path, 'Dockerfile'), `FROM ${BASE}\nCOPY a /b\n`);
    expect(await buildOf(context.path, '--tag', 'late:1')).to.have.property('contextBytesSent', 0);
  });

  it('does not blame the Dockerfile for a registry that the engine does not reach', async () => {
    for (const host of ['127.0.0.1:1', 'registry.invalid']) {
      await using context = await makeContext({ Dockerfile: `FROM ${host}/base:1\n` });
      const { code, stderr } = await run([context.path, '--tag', 'never:1']);
      expect(code, stderr).to.equal(6);
      expect(stderr).to.contain('Try: check that the engine reaches the registry of the base image');
    }
  });

  it('of a file that the .dockerignore leaves out says so, with the pattern and its line', async () => {
    await using context = await makeContext({
      ...{ Dockerfile: `FROM ${BASE}\nCOPY a/one.txt b /x/\n`, 'a/one.txt': '1', b: 'b' },
      '.dockerignore': '# all text\n**/*.txt\n*.md\n',
    });
    for (const builder of ['1', '0']) {
      const { code, stderr } = await run([context.path, '--tag', 'never:1'], {
        env: { DOCKER_BUILDKIT: builder },
      });
      expect(code, stderr).to.equal(6);
      const by = `${context.path}/.dockerignore:2`;
      expect(stderr).to.contain(`a/one.txt is there, and left out of the build: ${by}: **/*.txt`);
      expect(stderr).to.contain(`Try: take the pattern out of ${by}`);
    }
  });

  it('of a malformed pattern names the ignore file and the line', async () => {
    await using context = await makeContext({
      ...{ Dockerfile: `FROM ${BASE}\nCOPY . /app\n`, '.dockerignore': '*.md\n[a-\n' },
    });
    for (const builder of ['1', '0']) {
      const { code, stderr } = await run([context.path, '--tag', 'never:1'], {
        env: { DOCKER_BUILDKIT: builder },
      });
      expect(code, stderr).to.equal(2);
      expect(stderr).to.contain(`${context.path}/.dockerignore:2: the pattern "[a-" is malformed`);
    }
  });

  it('of a source above the context, and of an ssh agent that a step was not lent, says so', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY ../x /z/\n` });
    for (const builder of ['1', '0']) {
      const { code, stderr } = await run([context.path, '--tag', 'never:1'], {
        env: { DOCKER_BUILDKIT: builder },
      });
      expect(code, stderr).to.equal(6);
      expect(stderr).to.contain('../x: outside of the context');
    }
    await writeFile(
      join(context.path, 'Dockerfile'),
      `FROM ${BASE}\nRUN --mount=type=ssh,required echo hi\n`,
    );
    const { code, stderr } = await run([context.path, '--tag', 'never:1']);
    expect(code, stderr).to.equal(6);
    expect(stderr).to.contain('Try: lend the step its ssh agent: --ssh default');
  });

  it('a step that the engine could not start is no fault of the Dockerfile', async () => {
    await using lamed = await startDockerEngine();
    await importBusybox(lamed.docker, BASE);
    const { Options } = (await lamed.docker.getNetwork('bridge').inspect()) as {
      Options: Record<string, string>;
    };
    const bridge = Options['com.docker.network.bridge.name'] ?? '';
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nRUN echo hi\n` });
    await execute('ip', ['link', 'delete', bridge]);
    try {
      for (const builder of ['1', '0']) {
        const { code, stderr } = await run([context.path, '--tag', 'never:1'], {
          env: { DOCKER_HOST: lamed.dockerHost, DOCKER_BUILDKIT: builder },
        });
        expect(code, stderr).to.equal(6);
        expect(stderr).to.contain(`the engine could not start the step of ${context.path}/Dockerfile:2`);
        expect(stderr).to.contain('failed to create endpoint').and.contain('Try: look at the engine');
        expect(stderr).not.to.contain('mend ');
      }
    } finally {
      // Who started the engine removes it.
      await execute('ip', ['link', 'add', bridge, 'type', 'bridge']);
    }
  });

  it('of a program for another processor says what the host is, and what lets it run', async () => {
    await using context = await makeContext({
      Dockerfile: 'FROM scratch\nCOPY program /\nRUN ["/program"]\n',
      program: programFor(AARCH64),
    });
    await chmod(join(context.path, 'program'), 0o755);
    for (const builder of ['1', '0']) {
      const { code, stderr } = await run([context.path, '--tag', 'never:1', '--platform', 'linux/arm64'], {
        env: { DOCKER_BUILDKIT: builder },
      });
      expect(code, stderr).to.equal(6);
      expect(stderr).to.contain('Dockerfile:3').and.contain('exec format error');
      expect(stderr).to.contain("the step is for linux/arm64; the engine's host is linux/amd64");
      expect(stderr).to.contain('Try: let it run them: docker run').and.contain('--install arm64');
    }
  });

  it('says once that a Dockerfile is empty, and of a stage that is not there which there are', async () => {
    await using context = await makeContext({ Dockerfile: '' });
    for (const builder of ['1', '0']) {
      const env = { DOCKER_BUILDKIT: builder };
      await writeFile(join(context.path, 'Dockerfile'), '');
      const empty = await run([context.path, '--tag', 'never:1'], { env });
      expect(empty.code, empty.stderr).to.equal(6);
      const error = empty.stderr.slice(empty.stderr.indexOf('✖'));
      expect(error.match(/cannot be empty|file with no instructions/g), error).to.have.length(1);
      await writeFile(join(context.path, 'Dockerfile'), `FROM ${BASE} AS one\n`);
      const stage = await run([context.path, '--tag', 'never:1', '--build-target', 'two'], { env });
      expect(stage.code, stage.stderr).to.equal(6);
      expect(stage.stderr).to.contain(`--build-target: ${context.path}/Dockerfile has no stage "two"`);
      expect(stage.stderr).to.contain('there: one');
    }
  });

  it('a .dockerignore that may not be read is an error that names it, and nothing is built', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY . /app\n`, secret: 'x' });
    await writeFile(join(context.path, '.dockerignore'), 'secret\n');
    await chmod(join(context.path, '.dockerignore'), 0);
    for (const builder of ['1', '0']) {
      const { code, stderr } = await run([context.path, '--tag', 'never:1'], {
        ...{ env: { DOCKER_BUILDKIT: builder }, through: WITHOUT_RIGHTS },
      });
      expect(code, stderr).to.equal(6);
      expect(stderr).to.contain(".dockerignore of the build context can't be read: EACCES");
    }
    expect((await engine.docker.listImages()).flatMap(({ RepoTags }) => RepoTags ?? [])).to.not.include(
      'never:1',
    );
  });

  it('a .dockerignore that is a folder is an error that names it', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY . /app\n` });
    await mkdir(join(context.path, '.dockerignore'));
    const { code, stderr } = await run([context.path, '--tag', 'never:1']);
    expect(code, stderr).to.equal(6);
    expect(stderr).to.contain('.dockerignore');
  });
});

/** As much of an ELF program as a kernel reads to know that it is not for it. */
function programFor(machine: number): Buffer {
  const header = Buffer.alloc(4096);
  header.write('\u007fELF\u0002\u0001\u0001', 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeUInt16LE(64, 52);
  return header;
}

function reversed(text: string): string {
  return [...text].reverse().join('');
}

/** What the engine's own processes run, of which it is the ancestor. */
async function runBy({ pid }: DockerEngine): Promise<string[]> {
  const { stdout } = await execute('ps', ['-eo', 'pid=,ppid=,args=']);
  const under = new Set([pid]);
  const found: string[] = [];
  const all = [...stdout.matchAll(/^ *(\d+) +(\d+) (.*)$/gm)];
  for (let before = 0; before < under.size;) {
    before = under.size;
    for (const [, own, parent] of all) if (under.has(Number(parent))) under.add(Number(own));
  }
  for (const [, own, , args = ''] of all) if (under.has(Number(own))) found.push(args);
  return found;
}

async function filesWith(text: string, folder: string): Promise<string> {
  // 1: there is none; 2: one has gone meanwhile.
  const search = 'grep -rlaF "$0" "$1" 2>/dev/null || test $? -le 2';
  return (await execute('sh', ['-c', search, text, folder])).stdout;
}
