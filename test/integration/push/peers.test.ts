import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { expect } from 'chai';
import { makeCopier, type Copier } from '../../support/copying.js';
import {
  followToEnd,
  importBusybox,
  startDockerEngine,
  type DockerEngine,
} from '../../support/docker-engine.js';
import { failureOf } from '../../support/failure.js';
import { buildxIndex, dockerImage, multiPlatformIndex, ociImage } from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { machinePeers, type PeerPlace } from '../../support/peer-programs.js';
import { pushFixture } from '../../support/push-fixture.js';
import { PUSH_REGISTRIES, type PushRegistry } from '../../support/push-registries.js';
import { requires } from '../../support/requirements.js';
import { expectSame } from '../../support/round-trip.js';

for (const { name, parts, start } of PUSH_REGISTRIES) {
  describe(`Other clients of what this pushes to ${name}, and the reverse`, function () {
    this.timeout(60_000);
    requires(...parts);
    let registry: PushRegistry;
    let copier: Copier;
    before(async () => {
      registry = await start();
    });
    beforeEach(async () => {
      copier = await makeCopier();
    });
    afterEach(() => copier[Symbol.asyncDispose]());
    after(() => registry.stop());
    const folder = (leaf: string): string => join(copier.folder, leaf);

    describe('skopeo (Debian)', () => {
      requires('skopeo');
      let peers: PeerPlace;
      before(async () => {
        peers = await machinePeers();
      });
      after(() => peers.remove());
      const skopeo = (...args: string[]): Promise<string> =>
        peers.run('skopeo', '--insecure-policy', ...args);
      const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];

      for (const [kind, make] of [
        ['an OCI image', ociImage],
        ['a Docker image', dockerImage],
        ["buildx's index", buildxIndex],
        ['an index of two platforms', multiPlatformIndex],
      ] as const) {
        it(`pulls ${kind} that was pushed here; its layout, pushed from here, is the same again`, async () => {
          const image = await make();
          await writeLayout(folder('in'), { v1: image });
          const repository = `skopeo/${image.digest.slice(7, 19)}`;
          await copier.copy(`oci:${folder('in')}`, `${registry.host}/${repository}:v1`);
          const layout = `${folder('by-skopeo')}:v1`;
          const exact = ['--quiet', '--all', '--preserve-digests', ...plain];
          await skopeo('copy', ...exact, `docker://${registry.host}/${repository}:v1`, `oci:${layout}`);
          const result = await copier.copy(`oci:${layout}`, `${registry.host}/${repository}-back:v1`);
          expect(result.digest).to.equal(image.digest);
          await expectSame(registry, `${repository}-back`, 'v1', image);
        });
      }

      it("reads what is pushed out of skopeo's docker-archive: same config, same layers", async () => {
        const image = await dockerImage();
        await pushFixture({ url: registry.url, repository: 'archive/from' }, 'v1', image);
        const archive = `docker-archive:${folder('skopeo.tar')}`;
        await skopeo(
          'copy',
          '--quiet',
          ...plain,
          `docker://${registry.host}/archive/from:v1`,
          `${archive}:app:v1`,
        );
        await copier.copy(archive, `${registry.host}/archive/to:v1`);
        const config = await skopeo(
          ...['inspect', '--config', '--raw', '--tls-verify=false'],
          `docker://${registry.host}/archive/to:v1`,
        );
        expect(config).to.equal(image.blobs[0]?.bytes.toString());
        const layout = `oci:${folder('unpacked')}:v1`;
        // It unpacks and hashes every layer against the config's diff_ids.
        await skopeo('copy', '--quiet', ...plain, `docker://${registry.host}/archive/to:v1`, layout);
      });
    });

    describe('docker (Debian, 20.10)', () => {
      requires('docker-engine', 'busybox');
      let engine: DockerEngine;
      before(async () => {
        engine = await startDockerEngine();
        await importBusybox(engine.docker, 'busybox:test');
      });
      after(() => engine.stop());
      const pull = async (image: string): Promise<void> =>
        followToEnd(engine.docker, await engine.docker.pull(image));
      const save = (file: string, ...names: string[]): Promise<void> =>
        new Promise((resolve, reject) => {
          const path = `/images/get?${names.map((image) => `names=${encodeURIComponent(image)}`).join('&')}`;
          request({ socketPath: engine.socketPath, path }, (answer) => {
            if (answer.statusCode !== 200) reject(new Error(`GET ${path} answered ${answer.statusCode}`));
            else pipeline(answer, createWriteStream(file)).then(resolve, reject);
          })
            .on('error', reject)
            .end();
        });
      const load = async (file: string): Promise<string> => {
        const stream = await engine.docker.loadImage(createReadStream(file));
        let said = '';
        for await (const chunk of Readable.from(stream)) said += String(chunk);
        return said;
      };
      const runs = async (image: string): Promise<number> => {
        const container = await engine.docker.createContainer({
          Image: image,
          Cmd: ['true'],
          HostConfig: { NetworkMode: 'none' },
        });
        await container.start();
        const { StatusCode } = (await container.wait()) as { StatusCode: number };
        await container.remove();
        return StatusCode;
      };

      it('pulls what was pushed here under the digest that was told, and runs it', async () => {
        await writeLayout(folder('in'), { v1: await buildxIndex({ message: 'docker pulls' }) });
        const { digest } = await copier.copy(`oci:${folder('in')}`, `${registry.host}/docker/pull:v1`);
        const image = `${registry.host}/docker/pull@${digest}`;
        await pull(image);
        expect((await engine.docker.getImage(image).inspect()).RepoDigests).to.deep.equal([image]);
        expect(await runs(image)).to.equal(0);
      });

      it('saves an archive that is pushed from here, gzipped or not, to one digest; what it pulls is the image it saved', async () => {
        await save(folder('saved.tar'), 'busybox:test');
        await pipeline(
          createReadStream(folder('saved.tar')),
          createGzip(),
          createWriteStream(folder('saved.tar.gz')),
        );
        const plain = await copier.copy(
          `docker-archive:${folder('saved.tar')}`,
          `${registry.host}/docker/saved:v1`,
        );
        const gzipped = await copier.copy(
          `docker-archive:${folder('saved.tar.gz')}`,
          `${registry.host}/docker/saved:v2`,
        );
        expect(gzipped.digest).to.equal(plain.digest);
        expect(gzipped.bytesSent).to.equal(0);
        const image = `${registry.host}/docker/saved:v1`;
        const before = await engine.docker.getImage('busybox:test').inspect();
        await pull(image);
        expect((await engine.docker.getImage(image).inspect()).Id).to.equal(before.Id);
        expect(await runs(image)).to.equal(0);
      });

      it('saves two images into an archive: which one is meant must be said, and may be by any end of its name', async () => {
        const container = await engine.docker.createContainer({ Image: 'busybox:test', Cmd: ['true'] });
        await container.commit({ repo: 'localhost:5000/team/second', tag: 'v2', changes: 'ENV SECOND=1' });
        await container.remove();
        await save(folder('two.tar'), 'busybox:test', 'localhost:5000/team/second:v2');
        const archive = `docker-archive:${folder('two.tar')}`;
        const failure = await failureOf(() => copier.copy(archive, `${registry.host}/docker/two:v1`));
        expect(failure.code).to.equal('usage');
        expect(failure.suggestions).to.include(`${archive}:busybox:test`);
        const first = await copier.copy(`${archive}:busybox:test`, `${registry.host}/docker/two:first`);
        const second = await copier.copy(`${archive}:team/second:v2`, `${registry.host}/docker/two:second`);
        expect(second.digest).to.not.equal(first.digest);
        await pull(`${registry.host}/docker/two:second`);
        const { Config } = await engine.docker.getImage(`${registry.host}/docker/two:second`).inspect();
        expect(Config.Env).to.include('SECOND=1');
      });

      it('loads an archive that was written here, and runs what is in it', async () => {
        const image = await ociImage({ message: 'loaded' });
        await writeLayout(folder('in'), { v1: image });
        const { digest } = await copier.copy(
          `oci:${folder('in')}`,
          `docker-archive:${folder('out.tar')}:here/app:v3`,
        );
        expect(digest).to.equal(image.digest);
        expect(await load(folder('out.tar'))).to.contain('here/app:v3');
        const { Id } = await engine.docker.getImage('here/app:v3').inspect();
        expect(Id, "the image's id").to.equal(image.blobs[0]?.digest);
        expect(await runs('here/app:v3')).to.equal(0);
      });

      it('is not given an archive whose layer is not what its config says', async () => {
        await save(folder('saved.tar'), 'busybox:test');
        const bytes = await readFile(folder('saved.tar'));
        const inside = bytes.indexOf('root:x:0:0:root');
        bytes[inside] = 'R'.charCodeAt(0);
        await writeFile(folder('lie.tar'), bytes);
        const failure = await failureOf(() =>
          copier.copy(`docker-archive:${folder('lie.tar')}`, `${registry.host}/docker/lie:v1`),
        );
        expect(failure.code).to.equal('image_file_invalid');
        expect(failure.message).to.match(/lie\.tar: .*layer\.tar can't be used: the digest/);
      });
    });
  });
}
