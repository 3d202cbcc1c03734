import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { makeContext, writeFiles } from '../support/build-context.js';
import {
  followToEnd,
  importBusybox,
  printedInContainer,
  startDockerEngine,
  type DockerEngine,
} from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { eventually } from '../support/eventually.js';
import { followHardLinks, HARD_LINKS_IMAGE } from '../support/hard-links.js';
import { documentIn } from '../support/json-documents.js';
import { pidsOf } from '../support/processes.js';
import { runProgram, startProgram, type Finished, type RunOptions } from '../support/program.js';
import { findProgram, requires } from '../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';
import { startTokenServer } from '../support/token-server.js';

const BASE = 'base:test';
/** Debian's, of the engine's own version: it has BuildKit's client inside. */
const DOCKER = '/usr/bin/docker';

/** As no other test, of another run of these at the same time either, lets an engine run. */
const SLEEP = `sleep ${1_000_000 + process.pid}`;

const IGNORED_FROM = [
  ...['a.md', 'b.txt', 'c+d.txt', 'e.log', 'keep.log', '.env', 'README.md', 'Z', 'ab', 'aXb'],
  ...['docs/a.md', 'docs/deep/b.md', 'docs/deep/keep.md', 'docs/x.txt', 'node_modules/m/index.js'],
  ...['sub/node_modules/m/index.js', 'sub/sub/e.log', 'a-b/c', 'a/b', 'a.b/c', 'sub/a b.txt', 'sub/ü.txt'],
];

const IGNORES = [
  '# a comment\n\n  *.log  \n!keep.log\n',
  '!keep.log\n*.log\n',
  '**/*.log\n**/node_modules\n',
  '/docs/\n./sub/sub\n',
  'docs\n!docs/deep/keep.md\n',
  '*\n!docs\ndocs/deep\n',
  '*/*.md\na?b\n[a-c].*\n',
  '[^a]*\n!Dockerfile\n',
  'docs/**/*.md\n**/a b.txt\n',
  '**\n!a.md\n',
  // Two that Docker 20.10 reads otherwise than later ones, and the documentation, are in test/modern: `c+d.txt`, which is
  // a regular expression to it, and an exception with wildcards, for which it enters no folder.
  '**/ü*\na.b\n',
  '../outside\nsub/../docs\n',
  '\uFEFFb.txt\r\na.md\r\n',
];

describe('deployer build, on the Docker Engine of Debian', function () {
  requires('docker-engine', 'docker-registry', 'busybox', 'htpasswd', 'openssl');
  this.timeout(120_000);
  let engine: DockerEngine;
  let registry: DockerRegistry;
  let home: TempFolder;
  before(async () => {
    [engine, registry, home] = await Promise.all([
      startDockerEngine(),
      startDockerRegistry(),
      makeTempFolder('home'),
    ]);
    await importBusybox(engine.docker, BASE);
  });
  after(async () => {
    await Promise.all([engine.stop(), registry.stop(), home.remove()]);
  });

  const environment = (env: RunOptions['env'] = {}): RunOptions['env'] => ({
    HOME: home.path,
    DOCKER_HOST: engine.dockerHost,
    ...env,
  });
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Finished> =>
    runProgram(['build', ...args], { ...options, env: environment(options.env) });
  const buildOf = async (args: readonly string[], options: RunOptions = {}) => {
    const finished = await run([...args, '--json'], options);
    expect(finished.code, finished.stdout + finished.stderr).to.equal(0);
    return documentIn('build', finished.stdout);
  };
  /** What a command prints in a container of the image. */
  function printedIn(image: string, ...command: string[]): Promise<string> {
    return printedInContainer(engine.docker, image, ...command);
  }
  /** Pushes the base under a name of this registry, and leaves it there alone. */
  async function pushBase(host: string, authconfig: object): Promise<string> {
    const name = `${host}/private/base`;
    await engine.docker.getImage(BASE).tag({ repo: name, tag: '1' });
    const image = engine.docker.getImage(`${name}:1`);
    await followToEnd(engine.docker, await image.push({ authconfig, tag: '1' }));
    await image.remove();
    return `${name}:1`;
  }

  it('builds, pushes, and says what the registry really has', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE} AS first\nARG WHO=nobody\nRUN echo "hello $WHO" > /greeting\nFROM first AS second\nRUN echo never\n`,
    });
    const reference = `${registry.host}/built:v1`;
    const result = await buildOf([
      ...[context.path, '--tag', reference, '--push', '--build-target', 'first'],
      ...['--build-arg', 'WHO=world', '--label', 'org.example.team=blue'],
    ]);
    expect(result).to.deep.include({ reference, kind: 'manifest', attestations: [], pushed: true });
    expect(result.mediaType).to.equal('application/vnd.docker.distribution.manifest.v2+json');
    const head = await fetch(`${registry.url}/v2/built/manifests/v1`, {
      method: 'HEAD',
      headers: { accept: result.mediaType ?? '' },
    });
    expect(head.headers.get('docker-content-digest')).to.equal(result.digest);
    expect(await printedIn(reference, 'cat', '/greeting')).to.equal('hello world\n');
    const { Config } = await engine.docker.getImage(reference).inspect();
    expect(Config.Labels).to.deep.equal({ 'org.example.team': 'blue' });
  });

  it('tells of each layer of a push what became of it', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY big.bin /\n` });
    await writeFiles(context.path, { 'big.bin': Buffer.alloc(300_000, 5) });
    const pushed = async (tag: string): Promise<string[]> => {
      const { code, stderr } = await run([context.path, '--tag', `${registry.host}/${tag}`, '--push']);
      expect(code, stderr).to.equal(0);
      return [...stderr.matchAll(/^layer [0-9a-f]{12} (pushed|already there|mounted)/gm)].map(
        ([, state = '']) => state,
      );
    };
    expect(await pushed('layers:1'))
      .to.have.length(2)
      .and.include('pushed');
    expect(await pushed('layers:2')).to.deep.equal(['already there', 'already there']);
    expect(await pushed('other:1')).to.deep.equal(['mounted', 'mounted']);
  });

  it('sends of the context what changed, and of an unchanged one nothing', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nCOPY . /app\n`,
      'big.bin': Buffer.alloc(2_000_000, 7),
      'folder/small.txt': 'small',
    });
    const args = [context.path, '--tag', 'sent:1'];
    const first = await buildOf(args);
    expect(first.contextBytesSent).to.be.greaterThan(2_000_000);
    const again = await buildOf(args);
    expect(again).to.deep.include({ contextBytesSent: 0, imageId: first.imageId });
    await writeFile(join(context.path, 'folder/small.txt'), 'smaller');
    const edited = await buildOf(args);
    expect(edited.contextBytesSent).to.equal('smaller'.length);
    expect(edited.imageId).to.not.equal(first.imageId);
  });

  it('a failing RUN ends with 6, its line of the Dockerfile and what it printed', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\n# a comment\nRUN echo one && \\\n    echo two\n\nRUN echo before; echo oops; exit 3\n`,
    });
    const { code, stdout, stderr } = await run([context.path, '--tag', 'failing:1']);
    expect([code, stdout]).to.deep.equal([6, '']);
    expect(stderr).to.contain(`Dockerfile:6: RUN echo before; echo oops; exit 3 ended with exit code 3`);
    expect(stderr).to.match(/\| before\n +\| oops\n/);
    expect(stderr).to.match(/ Try: mend \S*Dockerfile:6 or what it works on, and build again\n/);
    // As text, not as base64.
    expect(stderr).to.match(/^#\d+ oops$/m);
    const json = await run([context.path, '--tag', 'failing:1', '--json']);
    expect(JSON.parse(json.stdout)).to.have.nested.property('error.code', 'build_failed');
  });

  it('a Dockerfile with a syntax error is shown with file and line; one that is not there is named', async () => {
    await using context = await makeContext({ 'sub/Dockerfile': `FROM ${BASE}\nRUM echo\n` });
    const wrong = await run([
      context.path,
      '--tag',
      'x:1',
      '--dockerfile',
      join(context.path, 'sub/Dockerfile'),
    ]);
    expect(wrong.code).to.equal(6);
    expect(wrong.stderr).to.contain(`${context.path}/sub/Dockerfile:2: unknown instruction: RUM`);
    const missing = await run([context.path, '--tag', 'x:1']);
    expect(missing.code).to.equal(2);
    expect(missing.stderr).to.contain(`the Dockerfile ${context.path}/Dockerfile is not there`);
  });

  it('a file that COPY names and the context has not ends with 6 and the line', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY nowhere /\n` });
    const { code, stderr } = await run([context.path, '--tag', 'x:1']);
    expect(code).to.equal(6);
    expect(stderr).to.match(/Dockerfile:2: .*"\/nowhere" not found/);
  });

  it('takes a Dockerfile from outside the context, with the ignore file beside it', async () => {
    await using context = await makeContext({ 'a.txt': 'a', 'b.txt': 'b', '.dockerignore': 'a.txt\n' });
    await using elsewhere = await makeContext({
      'Other.Dockerfile': `FROM ${BASE}\nCOPY . /app\n`,
      'Other.Dockerfile.dockerignore': '*\n!a.txt\n',
    });
    await buildOf([context.path, '--tag', 'outside:1', '-f', join(elsewhere.path, 'Other.Dockerfile')]);
    expect(await printedIn('outside:1', 'ls', '/app')).to.equal('a.txt\n');
  });

  it('reads a Dockerfile from stdin', async () => {
    await using context = await makeContext({ 'a.txt': 'a' });
    const file = join(home.path, 'stdin.Dockerfile');
    await writeFile(file, `FROM ${BASE}\nCOPY a.txt /copied\n`);
    const script = new URL('../../bin/run.js', import.meta.url).pathname;
    await promisify(execFile)(
      'sh',
      ['-c', `"$0" "$1" build "$2" --tag stdin:1 -f - < "$3"`, process.execPath, script, context.path, file],
      { env: { PATH: process.env['PATH'], ...environment() } },
    );
    expect(await printedIn('stdin:1', 'cat', '/copied')).to.equal('a');
  });

  it('says of input that it can not take what is wrong with it, and reads none without end', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n` });
    const [loop, large] = [join(context.path, 'loop'), join(context.path, 'large')];
    await symlink('loop', loop);
    await writeFile(large, '');
    await truncate(large, 2 * 1024 * 1024);
    const ofContext = await run([loop, '--tag', 'never:1']);
    expect(ofContext).to.include({ code: 2 });
    expect(ofContext.stderr).to.contain(`CONTEXT: ${loop} can't be read (ELOOP)`);
    const ofDockerfile = await run([context.path, '--tag', 'never:1', '-f', loop]);
    expect(ofDockerfile).to.include({ code: 2 });
    expect(ofDockerfile.stderr).to.contain(`--dockerfile: ${loop} can't be read (ELOOP)`);
    const ofSecret = await run([context.path, '--tag', 'never:1', '--build-secret', `id=one,src=${large}`]);
    expect(ofSecret).to.include({ code: 2 });
    expect(ofSecret.stderr).to.contain(
      `--build-secret: one: ${large} can't be read (it is larger than 500 KiB)`,
    );
    const script = new URL('../../bin/run.js', import.meta.url).pathname;
    const ofStdin = await promisify(execFile)(
      'sh',
      [
        '-c',
        `"$0" "$1" build "$2" --tag never:1 -f - < "$3"; echo "ended with $?"`,
        process.execPath,
        script,
        context.path,
        large,
      ],
      { env: { PATH: process.env['PATH'], ...environment() } },
    );
    expect(ofStdin.stdout).to.equal('ended with 2\n');
    expect(ofStdin.stderr).to.contain('--dockerfile -: stdin holds more than 1 MiB');
  });

  it('keeps links, hard links and modes; leaves a socket out and says so', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nCOPY . /app\n`,
      'run.sh': '#!/bin/sh\n',
      'sub/one': 'content',
    });
    await chmod(join(context.path, 'run.sh'), 0o750);
    const make = 'ln -s ../run.sh sub/link && ln sub/one sub/two && chmod 1777 sub';
    await promisify(execFile)('sh', ['-c', make], { cwd: context.path });
    const { createServer } = await import('node:net');
    const listening = createServer().listen(join(context.path, 'a.sock'));
    const { code, stderr } = await run([context.path, '--tag', 'kinds:1']);
    listening.close();
    expect(code, stderr).to.equal(0);
    expect(stderr).to.contain('warning: a.sock is left out: a socket can not be sent');
    const printed = await printedIn('kinds:1', 'ls', '-lnR', '/app');
    expect(printed).to.match(/-rwxr-x--- +1 0 +0 .* run\.sh/);
    expect(printed).to.match(/drwxrwxrwt .* sub/);
    expect(printed).to.match(/link -> \.\.\/run\.sh/);
    expect(printed).to.match(/-rw-r--r-- +2 .* one\n-rw-r--r-- +2 .* two/);
  });

  it('of hard links, changed or not, the image holds what the context has, and nothing else', async () => {
    await followHardLinks(BASE, engine.docker, async (path) => {
      await buildOf([path, '--tag', HARD_LINKS_IMAGE]);
    });
  });

  it('takes of a context what docker takes: the same image, whatever the .dockerignore says', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nCOPY . /app\n`,
      ...Object.fromEntries(IGNORED_FROM.map((name) => [name, name])),
    });
    await promisify(execFile)(
      'sh',
      ['-c', 'ln -s ../a.md docs/link; ln b.txt hard; mkfifo pipe; mkdir empty'],
      {
        cwd: context.path,
      },
    );
    for (const ignore of IGNORES) {
      await writeFile(join(context.path, '.dockerignore'), ignore);
      const ours = await buildOf([context.path, '--tag', 'ours:1']);
      await promisify(execFile)(DOCKER, ['build', '--quiet', '--tag', 'theirs:1', context.path], {
        env: { PATH: process.env['PATH'], ...environment({ DOCKER_BUILDKIT: '1' }) },
      });
      const theirs = await engine.docker.getImage('theirs:1').inspect();
      expect(ours.imageId, JSON.stringify(ignore)).to.equal(theirs.Id);
    }
  });

  it('pulls a private base image with the credentials of its own registry, by Basic and by token', async () => {
    const user = { username: 'alice', password: 'correct-horse' };
    await using basic = await startDockerRegistry({
      auth: { kind: 'basic', user: user.username, password: user.password },
    });
    await using server = await startTokenServer({ accounts: { [user.username]: user.password } });
    await using byToken = await startDockerRegistry({ auth: { kind: 'token', server } });
    await using other = await makeContext({
      'config.json': JSON.stringify({ auths: { 'other.example': { auth: 'YTpi' } } }),
    });
    for (const { host } of [basic, byToken]) {
      const base = await pushBase(host, { ...user, serveraddress: host });
      await using context = await makeContext({ Dockerfile: `FROM ${base}\nRUN echo built\n` });
      await using config = await makeContext({
        'config.json': JSON.stringify({
          auths: { [host]: { auth: Buffer.from('alice:correct-horse').toString('base64') } },
        }),
      });
      for (const options of [{}, { env: { DOCKER_CONFIG: other.path } }]) {
        const refused = await run([context.path, '--tag', 'private:1', '--no-cache'], options);
        expect(refused.code, refused.stderr).to.equal(4);
        expect(refused.stderr).to.contain(`docker login ${host}\n`);
      }
      await buildOf([context.path, '--tag', 'private:1'], { env: { DOCKER_CONFIG: config.path } });
    }
  });

  it('pushes with the credentials of the registry, however long they are', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n` });
    // What is encoded of them ends with each kind of padding.
    for (const password of ['horse', 'horses', 'horses1']) {
      await using closed = await startDockerRegistry({ auth: { kind: 'basic', user: 'alice', password } });
      const auth = Buffer.from(`alice:${password}`).toString('base64');
      await using config = await makeContext({
        'config.json': JSON.stringify({ auths: { [closed.host]: { auth } } }),
      });
      const reference = `${closed.host}/app:1`;
      const result = await buildOf([context.path, '--tag', reference, '--push'], {
        env: { DOCKER_CONFIG: config.path },
      });
      expect(result).to.deep.include({ reference, pushed: true });
    }
  });

  it('a push that the registry refuses ends with 4, one that reaches none with 7', async () => {
    await using closed = await startDockerRegistry({ auth: { kind: 'basic', user: 'a', password: 'b' } });
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n` });
    const refused = await run([context.path, '--tag', `${closed.host}/app:1`, '--push']);
    expect(refused.code, refused.stderr).to.equal(4);
    const nowhere = await run([context.path, '--tag', '127.0.0.1:1/app:1', '--push']);
    expect(nowhere.code, nowhere.stderr).to.equal(7);
  });

  it('names the login that a registry does not accept, by where it lies: of a base image, and of a push', async () => {
    await using closed = await startDockerRegistry({
      auth: { kind: 'basic', user: 'alice', password: 'right' },
    });
    const base = await pushBase(closed.host, {
      username: 'alice',
      password: 'right',
      serveraddress: closed.host,
    });
    await using onBase = await makeContext({
      Dockerfile: `FROM ${BASE} AS one\nFROM ${base}\nCOPY --from=one /bin /\n`,
    });
    await using open = await makeContext({ Dockerfile: `FROM ${BASE}\n` });
    const auth = Buffer.from('alice:wrong').toString('base64');
    const logins = JSON.stringify({ auths: { [closed.host]: { auth } } });
    await using config = await makeContext({ 'config.json': logins });
    for (const args of [
      [onBase.path, '--tag', 'private:1', '--no-cache'],
      [open.path, '--tag', `${closed.host}/app:1`, '--push'],
    ]) {
      const ofFile = await run(args, { env: { DOCKER_CONFIG: config.path } });
      expect(ofFile.code, ofFile.stderr).to.equal(4);
      expect(ofFile.stderr)
        .to.contain(`asked as alice, with the login of ${join(config.path, 'config.json')}`)
        .and.contain(`Try: log in: docker login ${closed.host}\n`);
      const ofVariable = await run(args, { env: { DOCKER_AUTH_CONFIG: logins } });
      expect(ofVariable.code, ofVariable.stderr).to.equal(4);
      expect(ofVariable.stderr)
        .to.contain('asked as alice, with the login of DOCKER_AUTH_CONFIG')
        .and.contain('Try: mend or unset DOCKER_AUTH_CONFIG')
        .and.not.contain('log in: docker login');
    }
  });

  it('from an image that is not there names the line of its FROM', async () => {
    await using context = await makeContext({
      Dockerfile: `# a comment\nARG BASE=${registry.host}/absent\nFROM $BASE:1\nRUN true\n`,
    });
    const { code, stderr } = await run([context.path, '--tag', 'never:1']);
    expect(code, stderr).to.equal(6);
    expect(stderr)
      .to.match(/^✖ the build failed: \S*Dockerfile:3: .*absent:1/m)
      .and.match(/ Try: mend \S*Dockerfile:3 or what it works on/);
  });

  it('that fails at a secret which was not given says how to give it', async () => {
    for (const [mount, says] of [
      ['id=tok', /can't open '\/run\/secrets\/tok'/],
      ['id=tok,required=true', /Dockerfile:2: .*secret tok.* not found/],
    ] as const) {
      await using context = await makeContext({
        Dockerfile: `FROM ${BASE}\nRUN --mount=type=secret,${mount} cat /run/secrets/tok\n`,
      });
      const { code, stderr } = await run([
        context.path,
        '--tag',
        'never:1',
        '--build-secret',
        'id=other,env=HOME',
      ]);
      expect(code, stderr).to.equal(6);
      expect(stderr)
        .to.match(says)
        .and.contain('Try: give the step its secret: --build-secret id=tok,src=FILE\n');
    }
  });

  it('gives a secret to the step that mounts it, and leaves it nowhere', async () => {
    const secret = 'very-secret-value-42';
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nRUN --mount=type=secret,id=one cat /run/secrets/one && test "$(cat /run/secrets/one)" = $(echo dmVyeS1zZWNyZXQtdmFsdWUtNDI= | busybox base64 -d)\nRUN --mount=type=secret,id=two test "$(cat /run/secrets/two)" = other-secret-value\n`,
      'two.txt': 'other-secret-value',
      '.dockerignore': 'two.txt\n',
    });
    const tag = `${registry.host}/secret:1`;
    const { code, stdout, stderr } = await run(
      [
        ...[context.path, '--tag', tag, '--push', '--verbose'],
        ...['--build-secret', 'id=one,env=ONE', '--build-secret', `id=two,src=${context.path}/two.txt`],
      ],
      { env: { ONE: secret } },
    );
    expect(code, stderr).to.equal(0);
    expect(stdout + stderr).to.not.contain(secret);
    const { stdout: layers } = await promisify(execFile)(
      'sh',
      [
        '-c',
        `docker save ${tag} | tar -xO | tar -tv 2>/dev/null; docker history --no-trunc ${tag}; docker save ${tag} | grep -c ${secret} || true`,
      ],
      { env: { PATH: process.env['PATH'], ...environment() }, maxBuffer: 2 ** 26 },
    );
    expect(layers).to.not.contain(secret);
    expect(layers.trim().split('\n').at(-1)).to.equal('0');
    const missing = await run([context.path, '--tag', tag, '--build-secret', 'id=one,env=NOT_SET']);
    expect(missing.code).to.equal(2);
  });

  describe('with an ssh agent', () => {
    requires('ssh-agent');

    it('lets a step that mounts it speak to the ssh agent, and no other step', async () => {
      const sshAdd = findProgram('ssh-add') ?? 'ssh-add';
      await using context = await makeContext({
        Dockerfile: `FROM ${BASE}\nCOPY root /\nRUN --mount=type=ssh ssh-add -l > /keys\nRUN test -z "$SSH_AUTH_SOCK"\n`,
      });
      await promisify(execFile)('sh', [
        ...['-c', 'for f in "$1" $(ldd "$1" | grep -o "/[^ ]*"); do install -D "$f" "$2/root$f"; done'],
        ...['-', sshAdd, context.path],
      ]);
      const socket = join(home.path, 'agent.sock');
      const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
      try {
        const key = join(home.path, 'id_test');
        await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'a key', '-f', key]);
        await eventually(() => expect(existsSync(socket)).to.equal(true), 5000);
        await promisify(execFile)(sshAdd, ['-q', key], { env: { SSH_AUTH_SOCK: socket } });
        const { stdout } = await promisify(execFile)(sshAdd, ['-l'], { env: { SSH_AUTH_SOCK: socket } });
        const args = [context.path, '--tag', 'ssh:1', '--no-cache'];
        await buildOf([...args, '--ssh', 'default'], { env: { SSH_AUTH_SOCK: socket } });
        expect(await printedIn('ssh:1', 'cat', '/keys')).to.equal(stdout);
        const without = await run(args, { env: { SSH_AUTH_SOCK: socket } });
        expect(without.code, 'not given unless asked').to.equal(6);
        const wrong = await run([...args, '--ssh', `default=${key}`]);
        expect(wrong.code).to.equal(2);
        expect(wrong.stderr)
          .to.contain(`--ssh: ${key} is no socket of an ssh agent`)
          .and.contain('ssh-add KEY');
        const unset = await run([...args, '--ssh', 'default'], { env: { SSH_AUTH_SOCK: '' } });
        expect(unset.code).to.equal(2);
      } finally {
        agent.kill();
      }
    });
  });

  it('Ctrl-C ends what the engine runs within 3 s, and the program with 130', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nRUN echo started; ${SLEEP}\n` });
    const program = startProgram(['build', context.path, '--tag', 'never:1'], { env: environment() });
    await eventually(() => expect(program.stderr()).to.match(/^#\d+ started$/m), 20_000);
    expect(await pidsOf(SLEEP)).to.have.length.greaterThan(0);
    program.kill('SIGINT');
    const asked = Date.now();
    await eventually(async () => expect(await pidsOf(SLEEP)).to.deep.equal([]), 3000);
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
    expect(Date.now() - asked).to.be.lessThan(3000);
  });

  it('an engine that dies in mid-build ends with 12, and the program does not hang', async () => {
    await using dying = await startDockerEngine();
    await importBusybox(dying.docker, BASE);
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nRUN echo started; ${SLEEP}\n` });
    const program = startProgram(['build', context.path, '--tag', 'never:1'], {
      env: environment({ DOCKER_HOST: dying.dockerHost }),
    });
    await eventually(() => expect(program.stderr()).to.match(/^#\d+ started$/m), 20_000);
    process.kill(dying.pid, 'SIGKILL');
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(12);
    expect(stderr).to.contain('the connection to the Docker Engine broke');
    for (const pid of await pidsOf(SLEEP)) process.kill(pid, 'SIGKILL');
  });

  it('refuses what this engine would leave out without a word, with what it takes and what to do instead', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n` });
    for (const [args, instead] of [
      [['--provenance', 'max'], '--provenance off'],
      [['--provenance', 'min'], '--provenance off'],
      [['--platform', 'linux/amd64,linux/arm64'], '--platform OS/ARCH'],
      [['--cache-to', `type=registry,ref=${registry.host}/cache`], '--cache-to type=inline'],
    ] as const) {
      const { code, stderr } = await run([context.path, '--tag', 'x:1', ...args]);
      expect(code, stderr).to.equal(6);
      expect(stderr).to.contain(`${args[0]} `.trimEnd()).and.contain(instead);
      expect(stderr).to.match(/docker 20\.10\.\S+, API 1\.41, graphdriver store/);
    }
    for (const [flag, value, mend] of [
      ['--platform', 'linux/amd64,linux/arm64', 'build with Docker Engine 24 or later'],
      ['--cache-from', `${registry.host}/cache`, 'unset DOCKER_BUILDKIT'],
      ['--cache-to', 'type=inline', 'unset DOCKER_BUILDKIT'],
    ] as const) {
      const classic = await run([context.path, '--tag', 'x:1', flag, value], {
        env: { DOCKER_BUILDKIT: '0' },
      });
      expect(classic.code, classic.stderr).to.equal(6);
      expect(classic.stderr).to.contain(`${flag}: Docker 20.10`).and.contain(mend);
    }
  });

  it('finds the steps of another build again in an image that holds its cache', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE} AS first\nRUN echo slow > /slow\nFROM first AS second\n`,
    });
    const reference = `${registry.host}/inline:1`;
    const args = [context.path, '--tag', reference, '--build-target', 'first', '--label', 'a=b'];
    const first = await buildOf([...args, '--push', '--cache-to', 'type=inline']);
    await engine.docker.getImage(reference).remove({ force: true });
    await engine.docker.pruneBuilder();
    const again = await run([...args, '--cache-from', reference]);
    expect(again.code, again.stderr).to.equal(0);
    expect(again.stderr).to.match(/^#(\d+) \[first 2\/2\] RUN echo slow.*\n(?:.*\n)*?#\1 CACHED$/m);
    expect((await engine.docker.getImage(reference).inspect()).Config.Labels).to.deep.equal({ a: 'b' });
    const { digest } = await buildOf([
      ...args,
      '--push',
      '--cache-from',
      reference,
      '--cache-to',
      'type=inline',
    ]);
    expect(digest).to.equal(first.digest);
  });

  it('a cache that is not there is said, and the build goes on', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nRUN echo x > /x\n` });
    const { code, stderr } = await run([
      ...[context.path, '--tag', 'x:1'],
      ...['--cache-from', `type=registry,ref=${registry.host}/nowhere:1`],
    ]);
    expect(code, stderr).to.equal(0);
    expect(stderr)
      .to.match(/importing cache manifest from \S+\/nowhere:1/)
      .and.match(/ERROR: .*not found/);
    await writeFiles(context.path, { Dockerfile: `FROM ${BASE}\n\nRUN echo why; exit 3\n` });
    const failing = await run([
      ...[context.path, '--tag', 'x:1'],
      ...['--cache-from', `type=registry,ref=${registry.host}/nowhere:1`],
    ]);
    expect(failing.code, failing.stderr).to.equal(6);
    expect(failing.stderr).to.contain('Dockerfile:3: RUN echo why; exit 3 ended with exit code 3');
    expect(failing.stderr).to.match(/^ +\| why$/m);
    const wrong = await run([context.path, '--tag', 'x:1', '--cache-to', 'type=local,dest=/tmp/x']);
    expect(wrong.code).to.equal(2);
    expect(wrong.stderr).to.contain('--cache-to: type "local" is not known; expected registry or inline');
  });

  it('without an engine ends with 12, and says what needs none', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n` });
    const { code, stderr } = await run([context.path, '--tag', 'x:1'], {
      env: { DOCKER_HOST: 'unix:///nonexistent/engine.sock' },
    });
    expect(code).to.equal(12);
    expect(stderr).to.contain('unix:///nonexistent/engine.sock: there is no such socket').and.contain('oci:');
  });

  it('gives the same image for the same input', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY a /a\n`, a: 'a' });
    const first = await buildOf([context.path, '--tag', `${registry.host}/same:1`, '--push']);
    await writeFiles(context.path, { ignored: 'x', '.dockerignore': 'ignored\n.dockerignore\n' });
    const second = await buildOf([context.path, '--tag', `${registry.host}/same:2`, '--push']);
    expect(second.digest).to.equal(first.digest);
  });

  it('SOURCE_DATE_EPOCH reaches the steps that ask for it; what this engine can not date by it is said once', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nARG SOURCE_DATE_EPOCH\nRUN echo "at $SOURCE_DATE_EPOCH" > /when\n`,
    });
    const built = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await run([context.path, '--tag', 'dated:1', ...args], {
        env: { SOURCE_DATE_EPOCH: '1700000000' },
      });
      expect(code, stderr).to.equal(0);
      expect(stderr.match(/^warning: .*SOURCE_DATE_EPOCH reaches only steps that ask/gm)).to.have.lengthOf(1);
      return printedIn('dated:1', 'cat', '/when');
    };
    expect(await built()).to.equal('at 1700000000\n');
    expect(await built('--build-arg', 'SOURCE_DATE_EPOCH=5')).to.equal('at 5\n');
    const { Created } = await engine.docker.getImage('dated:1').inspect();
    expect(Date.parse(Created), 'the time of the build').to.be.greaterThan(Date.parse('2026-01-01'));
    const { code, stderr } = await run([context.path, '--tag', 'dated:1'], {
      env: { SOURCE_DATE_EPOCH: 'yesterday', DOCKER_HOST: 'unix:///nonexistent/engine.sock' },
    });
    expect(code, stderr).to.equal(2);
    expect(stderr).to.match(/^✖ SOURCE_DATE_EPOCH: "yesterday" is no whole number of seconds since 1970\n/);
  });
});
