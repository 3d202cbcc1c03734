import { expect } from 'chai';
import { makeContext } from '../support/build-context.js';
import { importBusybox, startDockerEngine, type DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { beforeFirst, startEngineProxy } from '../support/engine-proxy.js';
import { documentIn } from '../support/json-documents.js';
import { startPodmanEngine } from '../support/podman-engine.js';
import { runProgram, type Finished } from '../support/program.js';
import { requires } from '../support/requirements.js';

/** Podman imports under this tag, whatever it is told. */
const BASE = 'base:latest';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

describe('deployer build --push, when another build on the engine takes its name', function () {
  requires('docker-engine', 'podman', 'docker-registry', 'busybox');
  this.timeout(120_000);
  let docker: DockerEngine;
  let podman: Awaited<ReturnType<typeof startPodmanEngine>>;
  let registry: DockerRegistry;
  before(async () => {
    [docker, podman, registry] = await Promise.all([
      startDockerEngine(),
      startPodmanEngine(),
      startDockerRegistry(),
    ]);
    await Promise.all([importBusybox(docker.docker, BASE), importBusybox(podman.docker, BASE)]);
  });
  after(async () => {
    await Promise.all([docker.stop(), podman.stop(), registry.stop()]);
  });

  async function build(what: string, env: Readonly<Record<string, string>>, ...args: string[]) {
    await using context = await makeContext({ Dockerfile: `FROM ${BASE}\nRUN echo ${what} > /what\n` });
    return await runProgram(['build', context.path, '--json', ...args], { env });
  }
  const configInRegistry = async (name: string): Promise<string> => {
    const url = `${registry.url}/v2/${name.replace(':', '/manifests/')}`;
    const answer = await fetch(url, { headers: { accept: DOCKER_MANIFEST } });
    return ((await answer.json()) as { config: { digest: string } }).config.digest;
  };

  for (const [name, engineOf, builder] of [
    ['BuildKit', () => docker, '1'],
    ['classic', () => docker, '0'],
    ['Podman', () => podman, ''],
  ] as const) {
    describe(`(${name})`, () => {
      const tag = name.toLowerCase();
      let other: string;
      before(async () => {
        const env = { DOCKER_HOST: engineOf().dockerHost, DOCKER_BUILDKIT: builder };
        const { code, stdout, stderr } = await build('the other', env, '--tag', 'other:1');
        expect(code, stderr).to.equal(0);
        other = documentIn('build', stdout).imageId;
      });
      async function pushed(takenBefore: 'tag' | 'push'): Promise<Finished> {
        const repo = `${registry.host}/taken`;
        const take = () => engineOf().docker.getImage(other).tag({ repo, tag });
        await using way = await startEngineProxy(engineOf().socketPath, beforeFirst(takenBefore, take));
        const env = { DOCKER_HOST: way.dockerHost, DOCKER_BUILDKIT: builder };
        return await build('our own', env, '--tag', `${repo}:${tag}`, '--push');
      }

      it('takes it back before the push, and pushes what it built', async () => {
        const { code, stdout, stderr } = await pushed('tag');
        expect(code, stdout + stderr).to.equal(0);
        const { imageId } = documentIn('build', stdout);
        expect(imageId).to.not.equal(other);
        expect(await configInRegistry(`taken:${tag}`)).to.equal(imageId);
      });

      it("ends with 7 when the engine pushed the other's image, and says what was pushed", async () => {
        const { code, stdout, stderr } = await pushed('push');
        expect(code, stdout + stderr).to.equal(7);
        const { error } = documentIn('failure', stdout);
        expect(error.code).to.equal('push_failed');
        expect(error.message).to.contain(`/taken:${tag} is not what was built`);
        expect(error.evidence?.at(-1)).to.contain(`with the config ${other}`);
        expect(await configInRegistry(`taken:${tag}`)).to.equal(other);
      });
    });
  }

  it('ends with 7 when the engine has the image no longer, and says so', async () => {
    const reference = `${registry.host}/gone:1`;
    const remove = () => docker.docker.getImage(reference).remove();
    await using way = await startEngineProxy(docker.socketPath, beforeFirst('tag', remove));
    const { code, stdout, stderr } = await build(
      'gone',
      { DOCKER_HOST: way.dockerHost },
      ...['--tag', reference, '--push'],
    );
    expect(code, stdout + stderr).to.equal(7);
    const { error } = documentIn('failure', stdout);
    expect(error.message).to.match(/\/gone:1 could not be pushed: No such image/i);
    expect(error.suggestions[0]).to.contain('build again');
  });
});
