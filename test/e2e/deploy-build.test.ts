import { expect } from 'chai';
import { makeContext } from '../support/build-context.js';
import { importBusybox, startDockerEngine, type DockerEngine } from '../support/docker-engine.js';
import { documentIn } from '../support/json-documents.js';
import type { Finished } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { setStage, type Stage } from '../support/stage.js';

const BASE = 'base:test';

/** Serves its name on port 8080. */
function dockerfile(name: string, more = ''): string {
  return `FROM ${BASE}\n${more}RUN echo ${name} > /www/index.html\nCMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n`;
}

describe('deployer deploy, of an image that has to be built', function () {
  requires('docker-engine', 'busybox');
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
    stage.run(['deploy', ...args, '--image', `${repository}:${tag}`], {
      env: { DOCKER_HOST: engine.dockerHost },
    });
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
    expect((await stage.machines('shop')).map(({ config }) => config['image'])).to.deep.equal([
      `${repository}@${digest}`,
    ]);
    expect((await (await fetch(result.url ?? '')).text()).trim()).to.equal('one');

    const second = await deploy('one', context.path);
    expect(second.code, second.stderr).to.equal(0);
    expect(second.stderr).to.contain('--> Build image: skipped, found remotely');
  });
});
