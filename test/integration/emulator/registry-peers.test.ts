import { expect } from 'chai';
import { importBusybox, startDockerEngine, type DockerEngine } from '../../support/docker-engine.js';
import { startEmulatorRegistry, type EmulatorRegistry } from '../../support/emulator-registry.js';
import { buildxIndex, dockerImage, multiPlatformIndex, ociImage } from '../../support/image-fixtures.js';
import { machinePeers, type PeerPlace } from '../../support/peer-programs.js';
import { pushFixture } from '../../support/push-fixture.js';
import { ask } from '../../support/registry-requests.js';
import { requires } from '../../support/requirements.js';
import { skopeoRoundTrip } from '../../support/round-trip.js';

interface PushProgress {
  readonly error?: string;
  readonly aux?: { readonly Digest?: string };
}

describe("Clients of the emulator's registry", () => {
  let registry: EmulatorRegistry;
  before(async () => {
    registry = await startEmulatorRegistry();
  });
  after(() => registry.stop());

  describe('docker (Debian)', () => {
    requires('docker-engine', 'busybox');
    let engine: DockerEngine;
    const started: DockerEngine[] = [];
    before(async function () {
      this.timeout(60_000);
      engine = await startDockerEngine();
      started.push(engine);
      await importBusybox(engine.docker, 'busybox:test');
    });
    after(() => Promise.all(started.map((part) => part.stop())));

    async function follow(stream: NodeJS.ReadableStream): Promise<readonly PushProgress[]> {
      return new Promise((resolve, reject) => {
        engine.docker.modem.followProgress(
          stream,
          (failure: Error | null, lines: readonly PushProgress[]) => {
            const error = failure ?? lines.find((line) => line.error)?.error;
            if (error) reject(error instanceof Error ? error : new Error(error));
            else resolve(lines);
          },
        );
      });
    }

    async function push(repository: string, tag: string): Promise<string> {
      const repo = `${registry.host}/${repository}`;
      await engine.docker.getImage('busybox:test').tag({ repo, tag });
      const lines = await follow(await engine.docker.getImage(`${repo}:${tag}`).push({ authconfig: {} }));
      return lines.find((line) => line.aux?.Digest)?.aux?.Digest ?? '';
    }

    it('pushes an image, whose digest is the one that the registry tells', async () => {
      const digest = await push('team/busybox', 'v1');
      const { headers } = await ask(registry, 'HEAD', '/v2/team/busybox/manifests/v1');
      expect(headers.get('docker-content-digest')).to.equal(digest);
    });

    it('mounts what it pushed before into another repository', async () => {
      await push('team/busybox', 'v1');
      const lines = registry.lines.length;
      await push('team/other', 'v1');
      expect(registry.lines.slice(lines).join('\n')).to.match(
        /POST \/v2\/team\/other\/blobs\/uploads\/\?.*mount=.* 201/,
      );
    });

    it('pulls by digest what it pushed, and runs it', async () => {
      const digest = await push('team/busybox', 'run');
      const name = `${registry.host}/team/busybox@${digest}`;
      // Nothing of it may be left here, or the engine would not ask for it.
      for (const { Id } of await engine.docker.listImages())
        await engine.docker.getImage(Id).remove({ force: true });
      const lines = registry.lines.length;
      await follow(await engine.docker.pull(name));
      expect(
        registry.lines.slice(lines).filter((line) => /^GET .*\/blobs\/.* 200 /.test(line)),
      ).to.have.length(2);
      const { RepoDigests } = await engine.docker.getImage(name).inspect();
      expect(RepoDigests).to.include(name);
      const container = await engine.docker.createContainer({
        Image: name,
        Cmd: ['true'],
        HostConfig: { NetworkMode: 'none' },
      });
      await container.start();
      expect(await container.wait()).to.include({ StatusCode: 0 });
      await engine.docker.getImage(name).tag({ repo: 'busybox', tag: 'test' });
    });

    it('pulls the image that buildx makes by default, out of its index', async () => {
      const image = await buildxIndex();
      await pushFixture({ url: registry.url, repository: 'team/buildx' }, 'v1', image);
      const name = `${registry.host}/team/buildx:v1`;
      await follow(await engine.docker.pull(name));
      const { RepoDigests } = await engine.docker.getImage(name).inspect();
      expect(RepoDigests).to.include(`${registry.host}/team/buildx@${image.digest}`);
    });
  });

  describe('skopeo (Debian)', () => {
    requires('skopeo');
    let peers: PeerPlace;
    const places: PeerPlace[] = [];
    before(async () => {
      peers = await machinePeers();
      places.push(peers);
    });
    after(() => Promise.all(places.map((place) => place.remove())));

    for (const [kind, make] of [
      ['an OCI image', ociImage],
      ["buildx's index of image and provenance", buildxIndex],
      ['an index of two platforms', multiPlatformIndex],
    ] as const) {
      it(`pulls ${kind} and pushes it back unchanged`, async function () {
        this.timeout(30_000);
        const [image, tag] = [await make(), `t${Date.now()}`];
        await pushFixture({ url: registry.url, repository: 'team/skopeo' }, tag, image);
        await skopeoRoundTrip(peers, registry, { repository: 'team/skopeo', tag, image });
      });
    }

    it('converts to Docker types on its way, and back', async () => {
      const image = await dockerImage();
      await pushFixture({ url: registry.url, repository: 'team/skopeo' }, 'docker', image);
      const from = `docker://${registry.host}/team/skopeo:docker`;
      const to = `docker://${registry.host}/team/skopeo:converted`;
      const tls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
      await peers.run('skopeo', '--insecure-policy', 'copy', '--quiet', '--format', 'oci', ...tls, from, to);
      const raw = await peers.run('skopeo', 'inspect', '--raw', '--tls-verify=false', to);
      expect((JSON.parse(raw) as { config: { mediaType: string } }).config.mediaType).to.match(
        /vnd\.oci\.image\.config/,
      );
    });

    it('lists tags and deletes an image', async () => {
      const repository = 'team/skopeo-delete';
      await pushFixture({ url: registry.url, repository }, 'v1', await ociImage());
      const name = `docker://${registry.host}/${repository}`;
      const list = JSON.parse(await peers.run('skopeo', 'list-tags', '--tls-verify=false', name)) as {
        Tags: string[];
      };
      expect(list.Tags).to.deep.equal(['v1']);
      await peers.run('skopeo', '--insecure-policy', 'delete', '--tls-verify=false', `${name}:v1`);
      expect((await ask(registry, 'HEAD', `/v2/${repository}/manifests/v1`)).status).to.equal(404);
    });
  });
});
