import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CopyResult } from '../../src/image/copy.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { eventually } from '../support/eventually.js';
import { startFaultyProxy } from '../support/faulty-proxy.js';
import { manifestAnswer, startHostileServer, type HostileServer } from '../support/hostile-server.js';
import { buildxIndex, randomImage, type FixtureManifest } from '../support/image-fixtures.js';
import { writeLayout } from '../support/layout-fixture.js';
import { PROJECT, runProgram, startProgram } from '../support/program.js';
import { pushFixture } from '../support/push-fixture.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';
import { screenOf } from '../support/terminal-screen.js';

interface Failed {
  readonly error: { readonly code: string; readonly exitCode: number };
}

describe('deployer image copy and convert', function () {
  requires('docker-registry');
  this.timeout(30_000);
  let registry: DockerRegistry;
  let folder: TempFolder;
  let image: FixtureManifest;
  before(async () => {
    registry = await startDockerRegistry();
    folder = await makeTempFolder('image-copy');
    image = randomImage([300_000, 200_000]);
    await writeLayout(join(folder.path, 'layout'), { v1: image });
  });
  after(async () => {
    await registry.stop();
    await folder.remove();
  });
  const layout = (): string => `oci:${join(folder.path, 'layout')}:v1`;
  const run = (...args: string[]) =>
    runProgram(['image', ...args], {
      env: { HOME: folder.path, XDG_CACHE_HOME: join(folder.path, 'cache') },
    });

  it('say what lies where, and what it took', async () => {
    const first = await run('copy', layout(), `${registry.host}/said:v1`);
    expect(first).to.deep.include({ code: 0, stderr: '' });
    expect(first.stdout.split('\n').slice(0, 2)).to.deep.equal([
      `${registry.host}/said:v1`,
      `  digest  ${image.digest}`,
    ]);
    expect(first.stdout).to.contain('sent    500 kB; blobs 0 mounted, 0 already there');
    const second = await run('copy', layout(), `${registry.host}/said:v1`);
    expect(second.stdout).to.contain('is that image already');
  });

  it('with --json are one document, and nothing else', async () => {
    const { code, stdout, stderr } = await run('copy', layout(), `${registry.host}/json`, '--json');
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const { bytesSent, ...document } = JSON.parse(stdout) as CopyResult;
    expect(document).to.deep.equal({
      source: layout(),
      destination: `${registry.host}/json:latest`,
      digest: image.digest,
      blobsMounted: 0,
      blobsSkipped: 0,
      unchanged: false,
    });
    expect(bytesSent).to.be.greaterThan(500_000);
  });

  it('to an archive name the whole destination, and what the archive has when another is wanted', async () => {
    const archive = `docker-archive:${join(folder.path, 'named.tar')}`;
    const copied = await run('copy', layout(), `${archive}:foo:v1`);
    expect(copied.stdout.split('\n')[0]).to.equal(`${archive}:foo:v1`);
    const missing = await run('inspect', `${archive}:foo:v2`);
    expect(missing.code).to.equal(3);
    expect(missing.stderr).to.contain(`there: ${archive}:foo:v1`);
    expect((await run('inspect', `${archive}:foo:v1`)).code).to.equal(0);
  });

  it('to Docker types and back ends in the digest that it began with; blobs are not sent again', async () => {
    await run('copy', layout(), `${registry.host}/forms:oci`);
    const convert = async (from: string, to: 'docker' | 'oci'): Promise<CopyResult> => {
      const name = (tag: string): string => `${registry.host}/forms:${tag}`;
      const { stdout } = await run('convert', name(from), name(`${from}-${to}`), '--to', to, '--json');
      return JSON.parse(stdout) as CopyResult;
    };
    const docker = await convert('oci', 'docker');
    expect(docker.digest).to.not.equal(image.digest);
    expect(docker).to.include({ bytesSent: 0, blobsSkipped: 3 });
    const manifest = await fetch(`${registry.url}/v2/forms/manifests/${docker.digest}`, {
      headers: { accept: 'application/vnd.docker.distribution.manifest.v2+json' },
    });
    expect(manifest.headers.get('content-type')).to.equal(
      'application/vnd.docker.distribution.manifest.v2+json',
    );
    expect((await convert('oci-docker', 'oci')).digest).to.equal(image.digest);
  });

  it('refuse what has no Docker form, with exit code 5 and the way out, which works', async () => {
    await pushFixture({ url: registry.url, repository: 'buildx' }, 'v1', await buildxIndex());
    const args = [
      'convert',
      `${registry.host}/buildx:v1`,
      `${registry.host}/buildx:docker`,
      '--to',
      'docker',
    ];
    const { code, stderr } = await run(...args);
    expect(code).to.equal(5);
    expect(stderr).to.contain('--strip-attestations');
    expect((await run(...args, '--strip-attestations')).code).to.equal(0);
  });

  it('end with exit code 7 when the registry does not take it, 3 when it is not there, 2 for what is no location', async () => {
    await using proxy = await startFaultyProxy(registry, ({ method }) =>
      method === 'PUT'
        ? { kind: 'answer', status: 400, body: '{"errors":[{"code":"SIZE_INVALID"}]}' }
        : undefined,
    );
    const outcome = async (source: string, destination: string) => {
      const { code, stdout } = await run('copy', source, destination, '--json');
      const { error } = JSON.parse(stdout) as Failed;
      return [code, error.code];
    };
    expect(await outcome(layout(), `${proxy.host}/refused`)).to.deep.equal([7, 'push_failed']);
    expect(await outcome('oci:/nowhere', `${registry.host}/app`)).to.deep.equal([3, 'image_file_not_found']);
    expect(await outcome(`${registry.host}/none:v1`, `${registry.host}/app`)).to.deep.equal([
      ...[3, 'repository_not_found'],
    ]);
    expect(await outcome(layout(), 'NO REFERENCE')).to.deep.equal([2, 'reference_invalid']);
  });

  it('take one platform or all, not both', async () => {
    const { code, stderr } = await run(
      'copy',
      layout(),
      `${registry.host}/a`,
      '--all',
      '--platform',
      'linux/amd64',
    );
    expect(code).to.equal(2);
    expect(stderr).to.match(/--all|--platform/);
  });

  describe('killed in the middle (SIGKILL)', () => {
    const lastOf = (next: FixtureManifest): string => next.blobs.at(-1)?.digest ?? '';
    /** A registry that has the image's manifest, config and first layer, and drips its second. */
    const startSlow = (next: FixtureManifest): Promise<HostileServer> =>
      startHostileServer(({ url }) => {
        if (url.includes('/manifests/')) return manifestAnswer(next.bytes, next.mediaType, next.digest);
        const blob = next.blobs.find(({ digest }) => url.endsWith(digest));
        return { body: blob?.bytes ?? '', ...(url.endsWith(lastOf(next)) ? { dripMs: 5 } : {}) };
      });

    /** Copies until some of the last layer, and all that is to be there, is on the disk, then kills. @returns its files */
    async function killInCopy(
      next: FixtureManifest,
      to: string,
      { watched, there = [] }: { readonly watched: string; readonly there?: readonly string[] },
    ): Promise<string[]> {
      await using from = await startSlow(next);
      const home = { env: { HOME: folder.path } };
      const running = startProgram(['image', 'copy', `${from.host}/app:v2`, to], home);
      await eventually(() => {
        expect(from.requests.map(({ url }) => url)).to.include(`/v2/app/blobs/${lastOf(next)}`);
        const files = readdirSync(watched, { recursive: true }).map(String);
        expect(files.some((file) => file.endsWith('.part'))).to.equal(true);
        for (const digest of there) expect(files).to.include(`blobs/sha256/${digest.slice(7)}`);
      }, 20_000);
      running.kill('SIGKILL');
      expect((await running.finished).code).to.equal(null);
      return readdirSync(watched, { recursive: true }).map(String);
    }

    it('a layout has the images that it had, none that is not whole, and takes the copy the next time', async () => {
      const into = join(folder.path, 'killed');
      await run('copy', layout(), `oci:${into}:v1`);
      const index = await readFile(join(into, 'index.json'), 'utf8');
      const next = randomImage([100_000, 50_000]);
      const there = next.blobs.map(({ digest }) => digest).filter((digest) => digest !== lastOf(next));
      const files = await killInCopy(next, `oci:${into}:v2`, { watched: into, there });
      expect(await readFile(join(into, 'index.json'), 'utf8'), 'no name for what is not whole').to.equal(
        index,
      );
      expect(files.some((file) => file.endsWith(next.digest.slice(7)))).to.equal(false);
      expect(files.some((file) => file.endsWith(lastOf(next).slice(7)))).to.equal(false);
      expect((await run('inspect', `oci:${into}:v1`)).stdout).to.contain(image.digest);
      expect((await run('inspect', `oci:${into}:v2`)).code).to.equal(3);

      await pushFixture({ url: registry.url, repository: 'killed' }, 'v2', next);
      const again = await run('copy', `${registry.host}/killed:v2`, `oci:${into}:v2`, '--json');
      expect(JSON.parse(again.stdout), again.stderr).to.include({ digest: next.digest, blobsSkipped: 2 });
      const after = readdirSync(into, { recursive: true }).map(String);
      expect(after.filter((name) => name.endsWith('.part'))).to.deep.equal([]);
      const back = await run('copy', `oci:${into}:v2`, `${registry.host}/killed:back`);
      expect(back.code, back.stderr).to.equal(0);
    });

    it('an archive is the one that was there', async () => {
      const into = join(folder.path, 'archives');
      await mkdir(into, { recursive: true });
      const file = join(into, 'app.tar');
      await run('copy', layout(), `docker-archive:${file}`);
      const before = await readFile(file);
      await killInCopy(randomImage([100_000, 50_000]), `docker-archive:${file}`, { watched: into });
      expect((await readFile(file)).equals(before)).to.equal(true);
      const [left = ''] = readdirSync(into).filter((name) => name.endsWith('.part'));
      // Another's: by its name, by the file that it becomes, by a process that lives.
      const others = ['app.tar.part', `other${left.slice('app'.length)}`];
      others.push(left.replace(/-\d+-/, `-${process.pid}-`));
      for (const name of others) await writeFile(join(into, name), 'mine');
      expect((await run('copy', layout(), `docker-archive:${file}`)).code).to.equal(0);
      expect(readdirSync(into).sort()).to.deep.equal(['app.tar', ...others].sort());
    });
  });

  describe('on a terminal', () => {
    requires('linux', 'script');

    it('show how far they are on one line, and leave the result', async () => {
      await writeLayout(join(folder.path, 'large'), {
        v1: randomImage(Array.from({ length: 6 }, () => 20_000_000)),
      });
      const program = `${process.execPath} ${join(PROJECT, 'bin/run.js')}`;
      const command = `stty cols 120; ${program} image copy oci:${join(folder.path, 'large')} ${registry.host}/shown:v1`;
      const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
        env: { PATH: process.env['PATH'], TERM: 'xterm-256color', HOME: folder.path },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let sent = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (sent += text));
      expect(await new Promise((resolve) => child.once('close', resolve)), sent).to.equal(0);
      expect(sent).to.match(/[█░]{24} \d+(\.\d+)? MB of 120 MB \(\d+%\), \d+(\.\d+)? MB\/s/);
      expect(screenOf(sent)[0]).to.equal(`${registry.host}/shown:v1`);
      expect(sent.lastIndexOf('\u001b[?25h'), 'the cursor is there again').to.be.above(
        sent.lastIndexOf('\u001b[?25l'),
      );
    });
  });
});
