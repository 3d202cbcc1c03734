import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { BuildImageResult } from '../../src/deploy/build-image.js';
import { makeContext } from '../support/build-context.js';
import { importBusybox, type DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { runModern, startModernEngine } from '../support/modern-engine.js';
import { runProgram } from '../support/program.js';
import { requires } from '../support/requirements.js';

const BASE = 'base:test';
const INDEX = 'application/vnd.oci.image.index.v1+json';
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
});
