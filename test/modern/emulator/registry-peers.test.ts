import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startDockerRegistry } from '../../support/docker-registry.js';
import { startEmulatorRegistry, type EmulatorRegistry } from '../../support/emulator-registry.js';
import {
  buildxIndex,
  multiPlatformIndex,
  ociImage,
  type FixtureManifest,
} from '../../support/image-fixtures.js';
import { modernPeers, type PeerPlace } from '../../support/peer-programs.js';
import { pushFixture } from '../../support/push-fixture.js';
import { ask } from '../../support/registry-requests.js';
import { requires } from '../../support/requirements.js';
import { expectSame, skopeoRoundTrip } from '../../support/round-trip.js';

const REPOSITORY = 'team/app';

describe("Today's clients of the emulator's registry", function () {
  this.timeout(30_000);
  requires('modern-root');
  let registry: EmulatorRegistry;
  let peers: PeerPlace;
  const endings: (() => Promise<void>)[] = [];
  let images: Readonly<Record<'oci' | 'buildx' | 'multi', FixtureManifest>>;
  before(async () => {
    registry = await startEmulatorRegistry();
    endings.push(registry.stop);
    peers = await modernPeers();
    endings.push(peers.remove);
    images = {
      oci: await ociImage(),
      buildx: await buildxIndex({ attestation: 'artifact' }),
      multi: await multiPlatformIndex(),
    };
    for (const [tag, image] of Object.entries(images)) {
      await pushFixture({ url: registry.url, repository: REPOSITORY }, tag, image);
    }
  });
  after(async () => {
    for (const end of endings) await end();
  });

  const tags = ['oci', 'buildx', 'multi'] as const;

  describe('crane', () => {
    for (const tag of tags) {
      it(`pulls ${tag} into a layout and pushes it back unchanged`, async () => {
        const folder = `${peers.folder}/crane-${tag}`;
        await peers.run('crane', 'pull', '--format=oci', `${registry.host}/${REPOSITORY}:${tag}`, folder);
        const to = `${registry.host}/team/by-crane:${tag}`;
        await peers.run('crane', 'push', folder, to);
        await expectSame(registry, 'team/by-crane', tag, images[tag]);
        expect((await peers.run('crane', 'digest', to)).trim()).to.equal(images[tag].digest);
      });
    }

    it('finds an image whole when it validates it', async () => {
      await peers.run('crane', 'validate', '--remote', `${registry.host}/${REPOSITORY}:multi`);
    });

    it('lists tags and repositories, and deletes', async () => {
      const image = `${registry.host}/team/crane-delete`;
      await peers.run('crane', 'copy', `${registry.host}/${REPOSITORY}:oci`, `${image}:v1`);
      expect(await peers.run('crane', 'ls', image)).to.equal('v1\n');
      expect(await peers.run('crane', 'catalog', registry.host)).to.include('team/crane-delete\n');
      await peers.run('crane', 'delete', `${image}@${images.oci.digest}`);
      expect((await ask(registry, 'HEAD', '/v2/team/crane-delete/manifests/v1')).status).to.equal(404);
    });
  });

  describe('oras', () => {
    for (const tag of tags) {
      it(`copies ${tag} into a layout and back unchanged`, async () => {
        const layout = `${peers.folder}/oras-${tag}:${tag}`;
        const from = `${registry.host}/${REPOSITORY}:${tag}`;
        await peers.run('oras', 'cp', '--from-plain-http', '--to-oci-layout', from, layout);
        const to = `${registry.host}/team/by-oras:${tag}`;
        await peers.run('oras', 'cp', '--from-oci-layout', '--to-plain-http', layout, to);
        await expectSame(registry, 'team/by-oras', tag, images[tag]);
        expect((await peers.run('oras', 'resolve', '--plain-http', to)).trim()).to.equal(images[tag].digest);
      });
    }

    it('attaches artifacts to an image and discovers them by the referrers API', async () => {
      await writeFile(join(peers.path, 'sbom.json'), '{"sbom":true}');
      await writeFile(join(peers.path, 'note.txt'), 'signed');
      const image = `${registry.host}/${REPOSITORY}:multi`;
      const attach = ['attach', '--plain-http', '--disable-path-validation', '--annotation', 'made.by=oras'];
      await peers.run('oras', ...attach, '--artifact-type', 'text/sbom', image, `${peers.folder}/sbom.json`);
      await peers.run('oras', ...attach, '--artifact-type', 'text/note', image, `${peers.folder}/note.txt`);
      const discover = ['discover', '--plain-http', '--format', 'json'];
      const all = referrersOf(await peers.run('oras', ...discover, image));
      expect(all.map(({ artifactType }) => artifactType).sort()).to.deep.equal(['text/note', 'text/sbom']);
      expect(all.every(({ annotations }) => annotations['made.by'] === 'oras')).to.equal(true);
      const notes = referrersOf(await peers.run('oras', ...discover, '--artifact-type', 'text/note', image));
      expect(notes.map(({ artifactType }) => artifactType)).to.deep.equal(['text/note']);
      // Had it taken the registry for one without the API, it would have kept the list under a tag.
      const { tags: there } = (await ask(registry, 'GET', `/v2/${REPOSITORY}/tags/list`)).json() as {
        tags: string[];
      };
      expect(there).to.deep.equal([...tags].sort());
    });

    it('pushes and pulls a file', async () => {
      await writeFile(join(peers.path, 'page.txt'), 'page');
      const name = `${registry.host}/team/file:v1`;
      const file = `${peers.folder}/page.txt`;
      await peers.run(
        'oras',
        'push',
        '--plain-http',
        '--disable-path-validation',
        '--artifact-type',
        'text/page',
        name,
        file,
      );
      await peers.run(
        'oras',
        'blob',
        'fetch',
        '--plain-http',
        '--output',
        `${peers.folder}/got`,
        `${registry.host}/team/file@${await layerOf(name)}`,
      );
      expect(await peers.run('cat', `${peers.folder}/got`)).to.equal('page');
    });

    async function layerOf(name: string): Promise<string> {
      const manifest = await peers.run('oras', 'manifest', 'fetch', '--plain-http', name);
      return (JSON.parse(manifest) as { layers: [{ digest: string }] }).layers[0].digest;
    }
  });

  describe('skopeo', () => {
    for (const tag of tags) {
      it(`pulls ${tag} and pushes it back unchanged`, async () => {
        await skopeoRoundTrip(peers, registry, { repository: REPOSITORY, tag, image: images[tag] });
      });
    }
  });

  describe('between it and a real docker-registry', () => {
    requires('docker-registry');

    it('crane, oras and skopeo copy there and back with the same digests', async () => {
      await using real = await startDockerRegistry();
      const copies: Readonly<Record<string, (from: string, to: string) => readonly string[]>> = {
        crane: (from, to) => ['copy', from, to],
        oras: (from, to) => ['cp', '--from-plain-http', '--to-plain-http', from, to],
        skopeo: (from, to) => [
          ...['--insecure-policy', 'copy', '--quiet', '--all', '--preserve-digests'],
          ...['--src-tls-verify=false', '--dest-tls-verify=false', `docker://${from}`, `docker://${to}`],
        ],
      };
      for (const [program, args] of Object.entries(copies)) {
        const there = `${real.host}/via/${program}:buildx`;
        await peers.run(program, ...args(`${registry.host}/${REPOSITORY}:buildx`, there));
        await peers.run(program, ...args(there, `${registry.host}/back/${program}:buildx`));
        await expectSame(registry, `back/${program}`, 'buildx', images.buildx);
      }
    });
  });
});

interface Referrer {
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

function referrersOf(json: string): readonly Referrer[] {
  return (JSON.parse(json) as { referrers?: readonly Referrer[] }).referrers ?? [];
}
