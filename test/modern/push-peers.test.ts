import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeCopier, type Copier } from '../support/copying.js';
import { importBusybox, type DockerEngine } from '../support/docker-engine.js';
import {
  buildxIndex,
  dockerImage,
  multiPlatformIndex,
  ociImage,
  randomImage,
} from '../support/image-fixtures.js';
import { writeLayout } from '../support/layout-fixture.js';
import { runModern, startModernEngine } from '../support/modern-engine.js';
import { pushFixture } from '../support/push-fixture.js';
import { PUSH_REGISTRIES, type PushRegistry } from '../support/push-registries.js';
import { ask } from '../support/registry-requests.js';
import { requires } from '../support/requirements.js';
import { expectSame } from '../support/round-trip.js';

for (const { name, parts, start } of PUSH_REGISTRIES) {
  describe(`Today's clients of what this pushes to ${name}, and the reverse`, function () {
    this.timeout(60_000);
    requires('modern-root', ...parts);
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

    for (const [kind, make] of [
      ['an OCI image', ociImage],
      ['a Docker image', dockerImage],
      ["buildx's index", () => buildxIndex({ attestation: 'artifact' })],
      ['an index of two platforms', multiPlatformIndex],
    ] as const) {
      it(`crane, oras and skopeo take ${kind} from here, and give it back`, async () => {
        const image = await make();
        await writeLayout(folder('in'), { v1: image });
        const pushed = `peers/${image.digest.slice(7, 19)}`;
        const from = `${registry.host}/${pushed}:v1`;
        await copier.copy(`oci:${folder('in')}`, from);

        expect((await runModern('crane', ['digest', from])).trim()).to.equal(image.digest);
        // It takes an attestation for an image, and misses its platform.
        if (kind !== "buildx's index") await runModern('crane', ['validate', '--remote', from]);
        await runModern('crane', ['pull', '--format=oci', from, folder('crane')]);
        await runModern('oras', ['cp', '--from-plain-http', '--to-oci-layout', from, `${folder('oras')}:v1`]);
        await runModern('skopeo', [
          ...[
            '--insecure-policy',
            'copy',
            '--quiet',
            '--all',
            '--preserve-digests',
            '--src-tls-verify=false',
          ],
          ...[`docker://${from}`, `oci:${folder('skopeo')}:v1`],
        ]);
        for (const peer of ['crane', 'oras', 'skopeo']) {
          const back = `${pushed}-by-${peer}`;
          const result = await copier.copy(`oci:${folder(peer)}`, `${registry.host}/${back}:v1`);
          expect(result.digest, peer).to.equal(image.digest);
          await expectSame(registry, back, 'v1', image);
        }
      });
    }

    it('what oras attached to an image comes along with --referrers, and oras finds it there', async () => {
      const image = randomImage([20_000]);
      await pushFixture({ url: registry.url, repository: 'attached/from' }, 'v1', image);
      const from = `${registry.host}/attached/from:v1`;
      await writeFile(folder('sbom.json'), '{"sbom":true}');
      await writeFile(folder('note.txt'), 'signed');
      const attach = (type: string, subject: string, file: string): Promise<string> =>
        runModern('oras', [
          ...['attach', '--plain-http', '--disable-path-validation', '--artifact-type', type],
          ...[subject, file],
        ]);
      await attach('text/sbom', from, folder('sbom.json'));
      const [sbom] = await discover(from);
      await attach('text/note', `${registry.host}/attached/from@${sbom?.digest}`, folder('note.txt'));

      await using other = await start();
      const to = `${other.host}/attached/to:v1`;
      await copier.copy(from, to, { referrers: true });
      expect((await discover(to)).map(({ artifactType }) => artifactType)).to.deep.equal(['text/sbom']);
      const notes = await discover(`${other.host}/attached/to@${sbom?.digest}`);
      expect(notes.map(({ artifactType }) => artifactType)).to.deep.equal(['text/note']);

      const { tags } = (await ask(other, 'GET', '/v2/attached/to/tags/list')).json() as { tags: string[] };
      // docker-registry 2.8 has no referrers API: there the list is kept under a tag.
      const stand = name.startsWith('docker-registry')
        ? [image.digest, sbom?.digest ?? ''].map((digest) => digest.replace(':', '-'))
        : [];
      expect([...tags].sort()).to.deep.equal([...stand, 'v1'].sort());

      // Through a layout, which oras reads as well.
      await copier.copy(to, `oci:${folder('layout')}:v1`, { referrers: true });
      const inLayout = await runModern('oras', [
        ...['discover', '--oci-layout', '--format', 'json', `${folder('layout')}:v1`],
      ]);
      expect(referrersOf(inLayout).map(({ artifactType }) => artifactType)).to.deep.equal(['text/sbom']);
      await using third = await start();
      await copier.copy(`oci:${folder('layout')}:v1`, `${third.host}/attached/again:v1`, { referrers: true });
      expect((await discover(`${third.host}/attached/again:v1`)).map(({ digest }) => digest)).to.deep.equal([
        sbom?.digest,
      ]);

      const second = await copier.copy(from, to, { referrers: true });
      expect(second.bytesSent, 'again').to.equal(0);
    });

    describe('docker 28 with the containerd store', () => {
      let engine: DockerEngine;
      before(async () => {
        engine = await startModernEngine();
        await importBusybox(engine.docker, 'busybox:test');
      });
      after(() => engine.stop());
      const docker = (...args: string[]): Promise<string> =>
        runModern('docker', args, { env: { DOCKER_HOST: engine.dockerHost } });

      it('saves an archive whose digest is kept on the way to a registry', async () => {
        const [stored] = JSON.parse(await docker('image', 'inspect', 'busybox:test')) as { Id: string }[];
        await docker('save', '--output', folder('saved.tar'), 'busybox:test');
        const { digest } = await copier.copy(
          `docker-archive:${folder('saved.tar')}`,
          `${registry.host}/saved:v1`,
        );
        expect(digest).to.equal(stored?.Id);
        await docker('pull', `${registry.host}/saved@${digest}`);
      });

      it('loads an archive that was written here, with its digest', async () => {
        const image = await ociImage({ message: 'loaded' });
        await writeLayout(folder('in'), { v1: image });
        await copier.copy(`oci:${folder('in')}`, `docker-archive:${folder('out.tar')}:here/app:v3`);
        await docker('load', '--input', folder('out.tar'));
        const [loaded] = JSON.parse(await docker('image', 'inspect', 'here/app:v3')) as { Id: string }[];
        expect(loaded?.Id).to.equal(image.digest);
      });

      it('pulls the index that was pushed here, attestation and all', async () => {
        const image = await buildxIndex({ message: 'pulled' });
        await writeLayout(folder('in'), { v1: image });
        await copier.copy(`oci:${folder('in')}`, `${registry.host}/pulled:v1`);
        await docker('pull', `${registry.host}/pulled:v1`);
        const [pulled] = JSON.parse(await docker('image', 'inspect', `${registry.host}/pulled:v1`)) as {
          Id: string;
        }[];
        expect(pulled?.Id).to.equal(image.digest);
      });
    });
  });
}

interface Referrer {
  readonly digest: string;
  readonly artifactType: string;
}

async function discover(image: string): Promise<readonly Referrer[]> {
  return referrersOf(await runModern('oras', ['discover', '--plain-http', '--format', 'json', image]));
}

function referrersOf(json: string): readonly Referrer[] {
  return (JSON.parse(json) as { referrers?: readonly Referrer[] }).referrers ?? [];
}
