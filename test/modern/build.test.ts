import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { BuildImageResult } from '../../src/deploy/build-image.js';
import { makeContext } from '../support/build-context.js';
import { importBusybox, type DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { beforeFirst, startEngineProxy } from '../support/engine-proxy.js';
import { startFaultyProxy } from '../support/faulty-proxy.js';
import { followHardLinks, HARD_LINKS_IMAGE } from '../support/hard-links.js';
import { runModern, startModernEngine } from '../support/modern-engine.js';
import { eventually } from '../support/eventually.js';
import { documentIn, failureIn } from '../support/json-documents.js';
import { pidsOf } from '../support/processes.js';
import { runProgram, startProgram } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { startTokenServer } from '../support/token-server.js';

const BASE = 'base:test';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

describe('deployer build, on Docker 28 with the containerd store', function () {
  requires('modern-root', 'docker-registry', 'busybox');
  this.timeout(120_000);
  let engine: DockerEngine;
  let registry: DockerRegistry;
  before(async () => {
    [engine, registry] = await Promise.all([startModernEngine(), startDockerRegistry()]);
    await importBusybox(engine.docker, BASE);
  });
  after(async () => {
    await Promise.all([engine.stop(), registry.stop()]);
  });
  async function build(...args: string[]): Promise<BuildImageResult> {
    const { code, stdout, stderr } = await runProgram(['build', ...args, '--json'], {
      env: { DOCKER_HOST: engine.dockerHost },
    });
    expect(code, stdout + stderr).to.equal(0);
    return JSON.parse(stdout) as BuildImageResult;
  }

  it('with provenance pushes an OCI index with an attestation, without it one manifest in Docker media types', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY Dockerfile /\n` });
    const table = [
      ['auto', 'manifest', DOCKER_MANIFEST, 0],
      ['off', 'manifest', DOCKER_MANIFEST, 0],
      ['min', 'index', INDEX, 1],
      ['max', 'index', INDEX, 1],
    ] as const;
    for (const [mode, kind, mediaType, attestations] of table) {
      const reference = `${registry.host}/app:${mode}`;
      const result = await build(context.path, '--tag', reference, '--push', '--provenance', mode);
      expect({ ...result, attestations: result.attestations?.length }, mode).to.deep.include({
        ...{ reference, kind, mediaType, attestations },
        // What this store holds is what the registry gets.
        digest: result.imageId,
      });
      const head = await fetch(`${registry.url}/v2/app/manifests/${mode}`, {
        headers: { accept: mediaType },
      });
      expect(head.headers.get('docker-content-digest'), mode).to.equal(result.digest);
    }
  });

  it('without BuildKit pushes one OCI manifest, since the classic builder makes nothing else in this store', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY Dockerfile /classic\n` });
    const reference = `${registry.host}/app:classic`;
    const { code, stdout, stderr } = await runProgram(
      ['build', context.path, '--tag', reference, '--push', '--json'],
      { env: { DOCKER_HOST: engine.dockerHost, DOCKER_BUILDKIT: '0' } },
    );
    expect(code, stdout + stderr).to.equal(0);
    const { imageId, digest, mediaType } = documentIn('build', stdout);
    expect({ digest, mediaType }).to.deep.equal({
      digest: imageId,
      mediaType: OCI_MANIFEST,
    });
  });

  it('of hard links, changed or not, the image holds what the context has, and nothing else', async () => {
    await followHardLinks(BASE, engine.docker, async (path) => {
      await build(path, '--tag', HARD_LINKS_IMAGE);
    });
  });

  it('for several platforms makes one index, with an attestation of each when asked to', async () => {
    await using context = await makeContext({
      Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY ${TARGETARCH}.txt /arch\n',
      'amd64.txt': 'amd64',
      'arm64.txt': 'arm64',
    });
    for (const [provenance, mediaType, attestations] of [
      ['off', DOCKER_LIST, 0],
      ['max', INDEX, 2],
    ] as const) {
      const reference = `${registry.host}/several:${provenance}`;
      const result = await build(
        ...[context.path, '--tag', reference, '--push', '--provenance', provenance],
        ...['--platform', 'linux/amd64,linux/arm64', '--platform', 'linux/arm64/v8'],
      );
      expect({ ...result, attestations: result.attestations?.length }, provenance).to.deep.include({
        ...{ reference, kind: 'index', mediaType, attestations, digest: result.imageId },
      });
      const { stdout } = await runProgram(['image', 'inspect', reference, '--json']);
      const inspected = documentIn('inspection', stdout);
      expect(inspected.platforms.map(({ os, architecture }) => `${os}/${architecture}`)).to.deep.equal([
        'linux/amd64',
        'linux/arm64',
      ]);
      const layers = inspected.platforms.flatMap((platform) => platform.layers.map(({ digest }) => digest));
      expect(new Set(layers).size, 'each has its own file').to.equal(2);
    }
  });

  it('--direct-push sends what was built straight from the build: one or several platforms, attested, at another time, with credentials', async () => {
    await using server = await startTokenServer({ accounts: { alice: 'horse' } });
    await using closed = await startDockerRegistry({ auth: { kind: 'token', server } });
    await using config = await makeContext({
      'config.json': JSON.stringify({
        auths: { [closed.host]: { auth: Buffer.from('alice:horse').toString('base64') } },
      }),
    });
    await using context = await makeContext({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const env = { DOCKER_HOST: engine.dockerHost, DOCKER_CONFIG: config.path };
    for (const [tag, mediaType, more] of [
      ['one', DOCKER_MANIFEST, {}],
      ['attested', INDEX, { flags: ['--provenance', 'max'] }],
      ['several', DOCKER_LIST, { flags: ['--platform', 'linux/amd64,linux/arm64'] }],
      ['dated', DOCKER_MANIFEST, { env: { SOURCE_DATE_EPOCH: '1700000000' } }],
    ] as const) {
      const reference = `${closed.host}/direct:${tag}`;
      const { flags = [] } = more as { readonly flags?: readonly string[] };
      const { code, stdout, stderr } = await runProgram(
        ['build', context.path, '--tag', reference, '--push', '--direct-push', ...flags, '--json'],
        { env: { ...env, ...('env' in more ? more.env : {}) } },
      );
      expect(code, stdout + stderr).to.equal(0);
      const { digest, imageId, ...result } = documentIn('build', stdout);
      expect(result, tag).to.deep.include({ mediaType, pushed: true });
      // No push of the engine's came after it.
      expect(stderr, tag).to.not.match(/^layer [0-9a-f]{12} /m);
      expect(digest, tag).to.equal(imageId);
      const stored = await runProgram(['image', 'inspect', reference, '--json'], { env });
      expect(documentIn('inspection', stored.stdout).digest, tag).to.equal(digest);
      // The engine keeps it as well.
      expect((await engine.docker.getImage(reference).inspect()).Id, tag).to.equal(digest);
    }
  });

  describe('when its name is taken before the push', () => {
    const MODES = [
      ['off', '1'],
      ['max', '1'],
      ['off', '0'],
    ] as const;
    /** Builds one image; before the engine gets the first such request `take` gives its name to another. */
    async function pushed(
      reference: string,
      [provenance, builder]: (typeof MODES)[number],
      before: 'tag' | 'push',
      take: () => Promise<unknown>,
    ) {
      const dockerfile = `FROM ${BASE}\nRUN echo ${reference} > /what\n`;
      await using context = await makeContext({ Dockerfile: dockerfile });
      await using way = await startEngineProxy(engine.socketPath, beforeFirst(before, take));
      return await runProgram(
        ['build', context.path, '--tag', reference, '--push', '--json', '--provenance', provenance],
        { env: { DOCKER_HOST: way.dockerHost, DOCKER_BUILDKIT: builder } },
      );
    }
    const inRegistry = async (tag: string): Promise<string | null> => {
      const url = `${registry.url}/v2/taken/manifests/${tag}`;
      const headers = { accept: [DOCKER_MANIFEST, OCI_MANIFEST, INDEX].join(', ') };
      return (await fetch(url, { headers })).headers.get('docker-content-digest');
    };

    it('takes back what is a tag of another image now, and pushes what it built', async () => {
      for (const mode of MODES) {
        const tag = `back-${mode.join('')}`;
        const take = () => engine.docker.getImage(BASE).tag({ repo: `${registry.host}/taken`, tag });
        const { code, stdout, stderr } = await pushed(`${registry.host}/taken:${tag}`, mode, 'tag', take);
        expect(code, stdout + stderr).to.equal(0);
        const { imageId, digest } = documentIn('build', stdout);
        expect(digest, mode.join()).to.equal(imageId);
        expect(await inRegistry(tag), mode.join()).to.equal(imageId);
      }
    });

    it('ends with 7 when another build took it, with which the engine let go of the image, or as it is pushed', async () => {
      await using other = await makeContext({ Dockerfile: `FROM ${BASE}\nRUN echo other > /what\n` });
      for (const mode of MODES) {
        const tag = `lost-${mode.join('')}`;
        const reference = `${registry.host}/taken:${tag}`;
        let taken = '';
        const take = async () => {
          taken = (await build(other.path, '--tag', reference, '--provenance', mode[0])).imageId;
        };
        const gone = failureIn(await pushed(reference, mode, 'tag', take));
        expect(gone).to.deep.include({ code: 'push_failed', exitCode: 7 });
        expect(gone.message).to.match(/could not be pushed: No such image/);
        expect(await inRegistry(tag), 'nothing was pushed').to.equal(null);
        const exchanged = failureIn(await pushed(reference, mode, 'push', take));
        expect(exchanged).to.deep.include({ code: 'push_failed', exitCode: 7 });
        expect(exchanged.message).to.contain(`${reference} is not what was built`);
        expect(exchanged.evidence?.at(-1)).to.contain(`pushed: ${taken}`);
      }
    });
  });

  it('finds steps again in a cache that was pushed, with credentials, and in an image that holds its own', async () => {
    await using closed = await startDockerRegistry({
      auth: { kind: 'basic', user: 'alice', password: 'horse' },
    });
    await using config = await makeContext({
      'config.json': JSON.stringify({
        auths: { [closed.host]: { auth: Buffer.from('alice:horse').toString('base64') } },
      }),
    });
    const env = { DOCKER_HOST: engine.dockerHost, DOCKER_CONFIG: config.path };
    await using context = await makeContext({});
    const app = `${closed.host}/app:1`;
    const args = ['build', context.path, '--tag', app, '--push'];
    for (const [to, from] of [
      [`type=registry,ref=${closed.host}/cache:1,mode=max`, `${closed.host}/cache:1`],
      ['type=inline', `type=registry,ref=${app}`],
    ] as const) {
      await writeFile(join(context.path, 'Dockerfile'), `FROM ${BASE}\nRUN echo ${to} > /slow\n`);
      const pushed = await runProgram([...args, '--cache-to', to], { env });
      expect(pushed.code, pushed.stderr).to.equal(0);
      await engine.docker.getImage(app).remove({ force: true });
      await engine.docker.pruneBuilder();
      const again = await runProgram([...args, '--cache-from', from], { env });
      expect(again.code, again.stderr).to.equal(0);
      expect(again.stderr, from).to.match(/^#(\d+) \[2\/2\] RUN echo .*\n(?:.*\n)*?#\1 CACHED$/m);
    }
  });

  it('Ctrl-C ends what a build for several platforms runs within 3 s', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM --platform=linux/amd64 ${BASE} AS run\nRUN echo started; sleep 4713\nFROM scratch\nCOPY --from=run /x /x\n`,
    });
    const program = startProgram(
      ['build', context.path, '--tag', 'never:1', '--platform', 'linux/amd64,linux/arm64'],
      { env: { DOCKER_HOST: engine.dockerHost } },
    );
    await eventually(() => expect(program.stderr()).to.match(/^#\d+ started$/m), 20_000);
    expect(await pidsOf('sleep 4713')).to.have.length.greaterThan(0);
    program.kill('SIGINT');
    const asked = Date.now();
    await eventually(async () => expect(await pidsOf('sleep 4713')).to.deep.equal([]), 3000);
    expect((await program.finished).code).to.equal(130);
    expect(Date.now() - asked).to.be.lessThan(3000);
  });

  it('gives the same digest for the same input, and sends nothing twice', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nCOPY . /app\n`,
      a: Buffer.alloc(300_000, 1),
    });
    const first = await build(context.path, '--tag', 'same:1');
    const second = await build(context.path, '--tag', 'same:1');
    expect(first.contextBytesSent).to.be.greaterThan(300_000);
    expect(second).to.deep.include({ digest: first.digest, contextBytesSent: 0 });
  });

  describe('with SOURCE_DATE_EPOCH', () => {
    const EPOCH = 1_700_000_000;
    const STEPS = 'COPY . /app\nWORKDIR /made/here\nRUN echo hello > file && touch -d @1000000000 old\n';
    let base: string;
    let baseLayers: readonly string[];
    before(async () => {
      await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nRUN echo base > /base.txt\n` });
      base = `${registry.host}/dated-base:1`;
      await build(context.path, '--tag', base, '--push');
      baseLayers = (await layersOf('dated-base', '1')).layers;
      await engine.docker.getImage(base).remove({ force: true });
    });
    async function layersOf(repository: string, name: string) {
      const url = `${registry.url}/v2/${repository}`;
      const accept = [DOCKER_MANIFEST, OCI_MANIFEST].join(', ');
      const manifest = (await (await fetch(`${url}/manifests/${name}`, { headers: { accept } })).json()) as {
        config: { digest: string };
        layers: readonly { digest: string }[];
      };
      const config = await (await fetch(`${url}/blobs/${manifest.config.digest}`)).json();
      const { created, history } = config as { created: string; history: readonly { created: string }[] };
      return {
        layers: manifest.layers.map(({ digest }) => digest),
        times: [created, ...history.map((entry) => entry.created)],
      };
    }
    async function built(context: string, tag: string, ...args: string[]) {
      const { code, stdout, stderr } = await runProgram(
        ['build', context, '--tag', `${registry.host}/dated:${tag}`, '--push', '--json', ...args],
        { env: { DOCKER_HOST: engine.dockerHost, SOURCE_DATE_EPOCH: String(EPOCH) } },
      );
      expect(code, stdout + stderr).to.equal(0);
      expect(stderr).to.not.contain('SOURCE_DATE_EPOCH');
      return documentIn('build', stdout);
    }
    /** As another checkout of the same. */
    async function touched(context: string): Promise<void> {
      const later = Date.now() / 1000 + 100;
      await utimes(join(context, 'a'), later, later);
    }

    it('gives the same digest without any cache, and takes the layers of the base image as they are', async () => {
      await using context = await makeContext({ Dockerfile: `FROM ${base}\n${STEPS}`, a: 'a' });
      const first = await built(context.path, 'first', '--no-cache');
      await touched(context.path);
      expect((await built(context.path, 'again', '--no-cache')).digest, 'no cache').to.equal(first.digest);
      expect((await built(context.path, 'cached')).digest, 'from the cache').to.equal(first.digest);
      expect(first.digest, 'what this store holds is what the registry gets').to.equal(first.imageId);
      const { layers, times } = await layersOf('dated', 'first');
      expect(layers.slice(0, baseLayers.length)).to.deep.equal(baseLayers);
      expect(times.filter((time) => time === '2023-11-14T22:13:20Z')).to.have.length.greaterThan(3);
      // Younger than that time is nothing that was made here, and what is older stays so.
      const files = ['/app/a', '/made', '/made/here/file', '/made/here/old'];
      expect(await timesIn(`${registry.host}/dated:first`, files)).to.deep.equal(
        [EPOCH, EPOCH, EPOCH, 1_000_000_000].map(String),
      );
      // Without it the digest is another each time.
      const dateless = ['--no-cache', '--build-arg', 'SOURCE_DATE_EPOCH='];
      const one = await built(context.path, 'dateless', ...dateless);
      expect((await built(context.path, 'dateless', ...dateless)).digest).to.not.equal(one.digest);
      const other = await built(context.path, 'other', '--build-arg', 'SOURCE_DATE_EPOCH=1600000000');
      expect(other.digest).to.not.equal(first.digest);
      expect((await layersOf('dated', 'other')).times[0]).to.equal('2020-09-13T12:26:40Z');
    });

    it('so do a build for several platforms, and the image in an index with provenance', async () => {
      await using context = await makeContext({
        Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY a /${TARGETARCH}\nWORKDIR /made\n',
        a: 'a',
      });
      const platforms = ['--platform', 'linux/amd64,linux/arm64'];
      const both = await built(context.path, 'both', '--no-cache', ...platforms);
      await touched(context.path);
      expect((await built(context.path, 'both', '--no-cache', ...platforms)).digest).to.equal(both.digest);
      for (const args of [[], platforms]) {
        const images = async (tag: string) => {
          const { kind } = await built(context.path, tag, '--no-cache', '--provenance', 'min', ...args);
          expect(kind).to.equal('index');
          const inspected = await runProgram(['image', 'inspect', `${registry.host}/dated:${tag}`, '--json']);
          return documentIn('inspection', inspected.stdout).platforms.map(({ digest }) => digest);
        };
        const once = await images('attested');
        expect(once).to.have.lengthOf(args.length === 0 ? 1 : 2);
        await touched(context.path);
        expect(await images('attested')).to.deep.equal(once);
      }
    });

    /** seconds since 1970, of each file of the image */
    async function timesIn(image: string, files: readonly string[]): Promise<string[]> {
      const container = await engine.docker.createContainer({
        ...{ Image: image, Cmd: ['/bin/busybox', 'stat', '-c', '%Y', ...files], Tty: true },
      });
      await container.start();
      await container.wait();
      const log = await container.logs({ stdout: true });
      await container.remove();
      return log.toString('utf8').trim().split('\r\n');
    }
  });

  it('a push that is refused ends with 4, one that fails with 7, in the words of the registry', async () => {
    await using context = await makeContext({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    await using server = await startTokenServer({ accounts: { alice: 'horse' } });
    await using closed = await startDockerRegistry({ auth: { kind: 'token', server } });
    /** The registry, as it answers such requests with such an error. */
    const refusing = (asked: string, status: number, code: string, message: string) =>
      startFaultyProxy(registry, ({ method }) =>
        method === asked
          ? { kind: 'answer', status, body: JSON.stringify({ errors: [{ code, message }] }) }
          : undefined,
      );
    await using full = await refusing('PUT', 500, 'UNKNOWN', 'the disk is full');
    await using denied = await refusing('POST', 403, 'DENIED', 'robot is not authorized to push here');
    await using expired = await refusing('POST', 403, 'DENIED', 'The token has expired. Reauthenticate.');
    await using config = await makeContext({
      'config.json': JSON.stringify({
        auths: { [closed.host]: { auth: Buffer.from('alice:cow').toString('base64') } },
      }),
    });
    for (const [host, env, code, says] of [
      [closed.host, {}, 4, 'incorrect username or password'],
      [closed.host, { DOCKER_CONFIG: config.path }, 4, 'incorrect username or password'],
      [denied.host, {}, 4, 'robot is not authorized to push here'],
      [expired.host, {}, 4, 'The token has expired. Reauthenticate.'],
      [full.host, {}, 7, 'the disk is full'],
      ['127.0.0.1:1', {}, 7, 'connection refused'],
    ] as const) {
      for (const direct of [[], ['--direct-push']]) {
        const finished = await runProgram(
          ['build', context.path, '--tag', `${host}/refused401x:1`, '--push', ...direct],
          { env: { DOCKER_HOST: engine.dockerHost, ...env } },
        );
        expect(finished.code, finished.stderr).to.equal(code);
        expect(finished.stderr, finished.stderr).to.match(
          new RegExp(`^✖ ${host}/refused401x could not be pushed: .*${says}`, 'm'),
        );
      }
    }
  });

  it('takes of a context what docker takes, whatever the .dockerignore says', async () => {
    await using context = await makeContext({
      Dockerfile: `FROM ${BASE}\nCOPY . /app\n`,
      ...Object.fromEntries(
        [
          'c+d.txt',
          'ccd.txt',
          'docs/a.md',
          'docs/deep/keep.md',
          'docs/deep/b.md',
          'sub/ü.txt',
          'sub/a, b',
        ].map((name) => [name, name]),
      ),
    });
    const ignores = [
      'c+d.txt\n',
      'docs/**\n!docs/**/keep.md\n',
      '**\n!**/keep.md\n',
      '**/ü*\nsub/a, b\n',
      // More lines than an HTTP/2 server of Node takes headers, unless told.
      `${Array.from({ length: 1000 }, (_, at) => `nothing-${at}`).join('\n')}\ndocs\n`,
    ];
    for (const ignore of ignores) {
      await writeFile(join(context.path, '.dockerignore'), ignore);
      const ours = await build(context.path, '--tag', 'ours:1');
      await runModern(
        'docker',
        ['build', '--quiet', '--provenance=false', '--tag', 'theirs:1', context.path],
        {
          env: { DOCKER_HOST: engine.dockerHost },
        },
      );
      const layers = async (name: string): Promise<unknown> =>
        (await engine.docker.getImage(name).inspect()).RootFS.Layers;
      expect(await layers(ours.imageId), ignore.slice(0, 80)).to.deep.equal(await layers('theirs:1'));
    }
  });

  it('a failing RUN is told with its line and output, of this version too', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\n\nRUN echo why; exit 3\n` });
    const { code, stderr } = await runProgram(['build', context.path, '--tag', 'x:1'], {
      env: { DOCKER_HOST: engine.dockerHost },
    });
    expect(code, stderr).to.equal(6);
    expect(stderr)
      .to.contain('Dockerfile:3: RUN echo why; exit 3 ended with exit code 3')
      .and.match(/\| why\n/);
    await writeFile(join(context.path, 'Dockerfile'), `FROM ${BASE}\nRUM x\n`);
    const wrong = await runProgram(['build', context.path, '--tag', 'x:1'], {
      env: { DOCKER_HOST: engine.dockerHost },
    });
    expect(wrong.stderr).to.contain('Dockerfile:2: unknown instruction: RUM');
  });

  it('does not blame the Dockerfile for a cache that is not reached, or for a pattern of the .dockerignore', async () => {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nCOPY . /app\n` });
    const env = { DOCKER_HOST: engine.dockerHost };
    const args = ['build', context.path, '--tag', 'x:1'];
    const cache = await runProgram([...args, '--cache-to', '127.0.0.1:1/cache'], { env });
    expect(cache.code, cache.stderr).to.equal(6);
    expect(cache.stderr).to.contain('the build failed: exporting cache to registry: ');
    expect(cache.stderr).to.contain(
      'Try: check that the engine reaches the registry of the cache, 127.0.0.1:1',
    );
    await writeFile(join(context.path, '.dockerignore'), '*.md\n[a-\n');
    const ignore = await runProgram(args, { env });
    expect(ignore.code, ignore.stderr).to.equal(2);
    expect(ignore.stderr).to.contain(`${context.path}/.dockerignore:2: the pattern "[a-" is malformed`);
  });

  it('what fails is told with the line on which it begins: of here-documents too, and where the engine words it anew', async () => {
    const script = ['RUN <<EOF', 'echo first', 'false-indeed', 'EOF'];
    for (const [lines, at, told] of [
      [[`FROM ${BASE}`, '', 'RUN true', ...script], 4, 'RUN <<EOF (echo first...)'],
      // What stands in a here-document is no instruction, whatever it looks like.
      [[`FROM ${BASE}`, 'COPY <<END /x', ...script, 'END', ...script], 8, 'RUN <<EOF (echo first...)'],
      // Many begin alike; those of the first stage are not run.
      [
        [
          `FROM ${BASE} AS no`,
          ...script,
          `FROM ${BASE}`,
          'RUN <<EOF',
          'echo first',
          'true',
          'EOF',
          ...script,
        ],
        ...([11, 'RUN <<EOF (echo first...)'] as const),
      ],
      [[`FROM ${BASE}`, 'ARG FILE=none', 'RUN true', 'COPY $FILE /', 'RUN true'], 4, '[3/4] COPY none /'],
      [[`FROM ${BASE}`, 'RUN sh -ex <<-"A" | tee /out; exit 4', '\techo one', '\tA'], 2, 'RUN sh -ex <<-"A"'],
    ] as const) {
      await using context = await makeContext({ Dockerfile: `${lines.join('\n')}\n` });
      const { code, stderr } = await runProgram(['build', context.path, '--tag', 'x:1'], {
        env: { DOCKER_HOST: engine.dockerHost },
      });
      expect(code, stderr).to.equal(6);
      expect(stderr).to.contain(`Dockerfile:${at}: ${told}`);
    }
  });
});

describe('deployer build, on Docker 28 with a graphdriver store', function () {
  requires('modern-root', 'docker-registry', 'busybox');
  this.timeout(120_000);

  it('pushes one manifest in Docker media types, dates that alone, and refuses provenance and several platforms', async () => {
    await using engine = await startModernEngine('graphdriver');
    await using registry = await startDockerRegistry();
    await using context = await makeContext({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const env = { DOCKER_HOST: engine.dockerHost };
    const dated = await runProgram(['build', context.path, '--tag', 'dated:1'], {
      env: { ...env, SOURCE_DATE_EPOCH: '1700000000' },
    });
    expect(dated.code, dated.stderr).to.equal(0);
    expect(
      dated.stderr.match(/^warning: .*SOURCE_DATE_EPOCH sets when the image was created, but files/gm),
    ).to.have.lengthOf(1);
    expect((await engine.docker.getImage('dated:1').inspect()).Created).to.equal('2023-11-14T22:13:20Z');
    const args = (tag: string) => ['build', context.path, '--tag', `${registry.host}/app:${tag}`, '--push'];
    const digests = new Set<unknown>();
    for (const provenance of ['auto', 'off']) {
      const { code, stdout, stderr } = await runProgram(
        [...args(provenance), '--provenance', provenance, '--json'],
        { env },
      );
      expect(code, stdout + stderr).to.equal(0);
      const result = documentIn('build', stdout);
      expect(result, provenance).to.deep.include({
        ...{ kind: 'manifest', mediaType: DOCKER_MANIFEST, attestations: [] },
      });
      digests.add(result.digest);
    }
    expect(digests.size, 'the same input, the same digest').to.equal(1);
    for (const wanted of [
      ['--provenance', 'min'],
      ['--provenance', 'max'],
      ['--platform', 'linux/amd64,linux/arm64'],
    ]) {
      const { code, stderr } = await runProgram([...args('never'), ...wanted], { env });
      expect(code, stderr).to.equal(6);
      expect(stderr).to.contain('graphdriver store');
    }
    const tags = (await (await fetch(`${registry.url}/v2/app/tags/list`)).json()) as { tags: string[] };
    expect(tags.tags.sort()).to.deep.equal(['auto', 'off']);
  });
});
