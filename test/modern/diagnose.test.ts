import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectAsksAs } from '../support/asked-by.js';
import { diagnose, diagnoseFully } from '../support/diagnose.js';
import type { DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { buildxIndex, LINUX_ARM64, ociImage, type FixtureManifest } from '../support/image-fixtures.js';
import { runModern, startModernEngine } from '../support/modern-engine.js';
import { runProgram } from '../support/program.js';
import { pushFixture } from '../support/push-fixture.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';

const SMALL = { runnable: false } as const;

describe('the clients as which image diagnose asks', function () {
  requires('modern-root');
  this.timeout(60_000);

  it('ask as crane and buildx do', async () => {
    await expectAsksAs('crane', /go-containerregistry/, (host) =>
      runModern('crane', ['manifest', `${host}/app:v1`]),
    );
    await expectAsksAs('containerd', /^containerd\//, (host) =>
      runModern('docker', ['buildx', 'imagetools', 'inspect', `${host}/app:v1`]),
    );
  });
});

describe('the builds that image diagnose suggests', function () {
  requires('modern-root', 'docker-registry');
  this.timeout(120_000);
  let engine: DockerEngine;
  let registry: DockerRegistry;
  let folder: TempFolder;
  before(async () => {
    [engine, registry, folder] = await Promise.all([
      startModernEngine(),
      startDockerRegistry(),
      makeTempFolder('context'),
    ]);
    await mkdir(join(folder.path, 'context'));
    await writeFile(join(folder.path, 'context', 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
  });
  after(async () => {
    await engine.stop();
    await registry.stop();
    await folder.remove();
  });

  /** Pushes the image, and carries out the build that is suggested for `whom`. */
  async function rebuilt(repository: string, image: FixtureManifest, whom: string): Promise<string> {
    await pushFixture({ url: registry.url, repository }, 'v1', image);
    const name = `${registry.host}/${repository}:v1`;
    const { suggestions } = await diagnose(name);
    const suggested = suggestions.find((line) => line.includes(whom) && line.includes('deployer build'));
    const command = suggested?.split(': deployer ')[1];
    expect(command, suggestions.join('\n')).to.be.a('string');
    const { code, stderr } = await runProgram(command?.split(' ') ?? [], {
      cwd: join(folder.path, 'context'),
      env: { DOCKER_HOST: engine.dockerHost },
    });
    expect(code, stderr).to.equal(0);
    return name;
  }

  it('give a target the platform that it lacked', async () => {
    const image = await rebuilt('arm', await ociImage({ ...SMALL, platform: LINUX_ARM64 }), 'fly');
    expect((await diagnoseFully(image, { target: 'fly' })).error).to.equal(undefined);
  });

  it('give gzip to who knows no zstd', async () => {
    const layerMediaType = 'application/vnd.oci.image.layer.v1.tar+zstd';
    const image = await rebuilt('zstd', await ociImage({ ...SMALL, layerMediaType }), 'docker');
    expect((await diagnoseFully(image, { target: 'docker' })).error).to.equal(undefined);
  });

  it('give clients of before 2023 an image that they find', async () => {
    const image = await rebuilt('old', await buildxIndex(SMALL), 'clients of before 2023');
    const { clients } = await diagnose(image);
    expect(clients.find(({ name }) => name === 'docker-only')?.found).to.equal(true);
  });
});
