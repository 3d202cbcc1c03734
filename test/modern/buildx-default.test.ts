import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { ACCEPT_ALL, ACCEPT_DOCKER, MEDIA_TYPE } from '../../src/oci/media-types.js';
import type { DeployResult } from '../../src/deploy/result.js';
import type { Inspection } from '../../src/image/inspect.js';
import type { DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { runModern, startModernEngine } from '../support/modern-engine.js';
import { runProgram } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';
import { startTestEmulator } from '../support/test-emulator.js';

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: object;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}

describe('an image that buildx builds when nothing is said of provenance', function () {
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
    const context = join(folder.path, 'context');
    await mkdir(context);
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY hello /hello\n');
    await writeFile(join(context, 'hello'), 'hello\n');
    const image = `${registry.host}/forum/app:v1`;
    const env = { DOCKER_HOST: engine.dockerHost, BUILDX_CONFIG: join(folder.path, 'buildx') };
    await runModern('docker', ['buildx', 'build', '--push', '--tag', image, context], { env });
  });
  after(async () => {
    await engine.stop();
    await registry.stop();
    await folder.remove();
  });

  const ask = (accept: readonly string[], method = 'GET'): Promise<Response> =>
    fetch(`${registry.url}/v2/forum/app/manifests/v1`, { method, headers: { accept: accept.join(', ') } });

  it('lands in the registry as an OCI index: the image, and its attestation last', async () => {
    const response = await ask(ACCEPT_ALL);
    expect(response.headers.get('content-type')).to.equal(MEDIA_TYPE.ociIndex);
    const { manifests } = (await response.json()) as Index;
    expect(manifests.map(({ platform }) => platform)).to.deep.equal([
      { os: 'linux', architecture: 'amd64' },
      { os: 'unknown', architecture: 'unknown' },
    ]);
    expect(manifests[1]?.annotations).to.deep.include({
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': manifests[0]?.digest,
    });
  });

  it('is not there for a client that asks for Docker media types alone', async () => {
    const response = await ask(ACCEPT_DOCKER);
    expect(response.status).to.equal(404);
    expect(await response.text()).to.contain(
      'OCI index found, but accept header does not support OCI indexes',
    );
    expect((await ask(ACCEPT_DOCKER, 'HEAD')).status).to.equal(404);
  });

  it('is the same for crane, oras and skopeo', async () => {
    const reference = `${registry.host}/forum/app:v1`;
    const bytes = await (await ask(ACCEPT_ALL)).text();
    expect(await runModern('crane', ['manifest', reference])).to.equal(bytes);
    expect(await runModern('oras', ['manifest', 'fetch', '--plain-http', reference])).to.equal(bytes);
    const skopeo = ['inspect', '--raw', '--tls-verify=false', `docker://${reference}`];
    expect(await runModern('skopeo', skopeo)).to.equal(bytes);
  });

  it('is told for what it is by image inspect', async () => {
    const { code, stdout, stderr } = await runProgram([
      ...['image', 'inspect', `${registry.host}/forum/app:v1`, '--json'],
    ]);
    expect([code, stderr]).to.deep.equal([0, '']);
    const { kind, mediaType, platforms, attestations } = JSON.parse(stdout) as Inspection;
    expect({ kind, mediaType }).to.deep.equal({ kind: 'index', mediaType: MEDIA_TYPE.ociIndex });
    expect(platforms).to.have.length(1);
    expect(platforms[0]).to.deep.include({ os: 'linux', architecture: 'amd64' });
    expect(attestations).to.have.length(1);
    expect(attestations[0]?.predicateTypes.join()).to.match(/^https:\/\/slsa\.dev\//);
  });

  it('is explained by image diagnose: who can find it, and the words that the others get', async () => {
    const { code, stdout } = await runProgram([
      ...['image', 'diagnose', `${registry.host}/forum/app:v1`, '--json'],
    ]);
    expect(code).to.equal(0);
    const { clients } = JSON.parse(stdout) as {
      clients: readonly { status: number; found: boolean; message?: string; accept: readonly string[] }[];
    };
    const full = clients.filter(({ found }) => found);
    expect(full.length).to.be.greaterThan(0);
    expect(full.every(({ accept }) => accept.includes(MEDIA_TYPE.ociIndex))).to.equal(true);
    expect(clients.find(({ found, message }) => !found && message !== undefined)).to.deep.include({
      status: 404,
      message: 'OCI index found, but accept header does not support OCI indexes',
    });
  });

  it('fails to deploy as it did in the forum for the old client, and deploys by digest for this one', async () => {
    await using platform = await startTestEmulator();
    const { apiUrl, token } = platform.emulator;
    const env = { DEPLOYER_API_URL: apiUrl, DEPLOYER_API_TOKEN: token };
    const image = `${registry.host}/forum/app:v1`;
    const deploy = ['deploy', '--image', image, '--app', 'forum'];

    const old = await runProgram([...deploy, '--accept', 'docker'], { env });
    expect(old.code).to.equal(3);
    expect(old.stderr)
      .to.contain(`Searching for image '${image}' remotely...`)
      .and.contain(`Could not find image "${image}"`)
      .and.contain('OCI index found, but accept header does not support OCI indexes');

    const today = await runProgram([...deploy, '--json'], { env });
    expect(today.code, today.stderr).to.equal(0);
    const { image: handedOver, status } = JSON.parse(today.stdout) as DeployResult;
    const digest = (await ask(ACCEPT_ALL)).headers.get('docker-content-digest');
    expect(status).to.equal('succeeded');
    expect(handedOver.deployed).to.equal(`${registry.host}/forum/app@${digest}`);
  });
});
