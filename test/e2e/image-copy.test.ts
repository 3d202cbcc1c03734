import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CopyResult } from '../../src/image/copy.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { startFaultyProxy } from '../support/faulty-proxy.js';
import { buildxIndex, randomImage, type FixtureManifest } from '../support/image-fixtures.js';
import { writeLayout } from '../support/layout-fixture.js';
import { PROJECT, runProgram } from '../support/program.js';
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
