import { join } from 'node:path';
import { expect } from 'chai';
import { listReferrers } from '../../../src/registry/referrers.js';
import { digestOf } from '../../../src/oci/digest.js';
import { makeCopier } from '../../support/copying.js';
import { startEmulatorRegistry } from '../../support/emulator-registry.js';
import { startFaultyProxy } from '../../support/faulty-proxy.js';
import { startHostileServer } from '../../support/hostile-server.js';
import { attestationOf, index, randomImage } from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { PUSH_REGISTRIES } from '../../support/push-registries.js';
import { requires } from '../../support/requirements.js';

for (const { name, parts, start } of PUSH_REGISTRIES) {
  describe(`What is about an image, with ${name}`, () => {
    requires(...parts);

    it('comes along with --referrers, into a registry, on to another repository and back, and is found there', async () => {
      await using registry = await start();
      await using copier = await makeCopier();
      const image = randomImage([1000]);
      const about = attestationOf(image, 'artifact');
      const folder = join(copier.folder, 'in');
      // As oras writes a layout: the artifact in index.json beside the image, without a name.
      await writeLayout(folder, { v1: image, '': about });
      const { requests } = copier.connection.registry;
      const listed = async (path: string) =>
        (await listReferrers(requests, { domain: registry.host, path }, image.digest)).map(
          ({ digest }) => digest,
        );

      await copier.copy(`oci:${folder}:v1`, `${registry.host}/without:v1`);
      expect(await listed('without')).to.deep.equal([]);
      await copier.copy(`oci:${folder}:v1`, `${registry.host}/with:v1`, { referrers: true });
      expect(await listed('with')).to.deep.equal([about.digest]);
      await copier.copy(`${registry.host}/with:v1`, `${registry.host}/on:v1`, { referrers: true });
      await copier.copy(`${registry.host}/with:v1`, `${registry.host}/on:v1`, { referrers: true });
      expect(await listed('on'), 'once, also when it is copied twice').to.deep.equal([about.digest]);
      const back = join(copier.folder, 'back');
      await copier.copy(`${registry.host}/on:v1`, `oci:${back}:v1`, { referrers: true });
      await copier.copy(`oci:${back}:v1`, `${registry.host}/again:v1`, { referrers: true });
      expect(await listed('again')).to.deep.equal([about.digest]);

      const byTag = await fetch(`${registry.url}/v2/with/manifests/${image.digest.replace(':', '-')}`, {
        headers: { accept: 'application/vnd.oci.image.index.v1+json' },
      });
      // Who keeps the list by itself (the emulator does, docker-registry 2.8 does not) needs none under a tag.
      expect(byTag.status).to.equal(name.startsWith('docker-registry') ? 200 : 404);
    });

    it('of two images in one index, what they share is sent once', async () => {
      await using registry = await start();
      await using proxy = await startFaultyProxy(registry);
      await using copier = await makeCopier();
      const one = randomImage([200_000]);
      const two = { ...one, platform: { os: 'linux', architecture: 'arm64' } };
      const both = index([{ ...one, platform: { os: 'linux', architecture: 'amd64' } }, two]);
      await writeLayout(join(copier.folder, 'in'), { v1: both });
      await copier.copy(`oci:${join(copier.folder, 'in')}`, `${proxy.host}/shared:v1`);
      const heads = proxy.exchanges.filter(({ method, url }) => method === 'HEAD' && url.includes('/blobs/'));
      const puts = proxy.exchanges.filter(({ method, url }) => method === 'PUT' && url.includes('/blobs/'));
      expect([heads.length, puts.length]).to.deep.equal([one.blobs.length, one.blobs.length]);
    });
  });
}

describe('A list of referrers that goes on elsewhere', () => {
  it('is not followed to another host, which gets no request', async () => {
    await using elsewhere = await startHostileServer(() => ({ body: '{}' }));
    await using server = await startHostileServer(() => ({
      headers: {
        'content-type': 'application/vnd.oci.image.index.v1+json',
        link: `<${elsewhere.url}/v2/app/referrers/more>; rel="next"`,
      },
      body: '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    }));
    await using copier = await makeCopier();
    const { requests } = copier.connection.registry;
    const digest = `sha256:${'a'.repeat(64)}` as const;
    expect(
      await listReferrers(requests, { domain: server.host, path: 'app' }, digest as never),
    ).to.deep.equal([]);
    expect([server.requests.length, elsewhere.requests.length]).to.deep.equal([1, 0]);
  });
});

describe('A layer that says where else it can be had (urls)', () => {
  it('is left where it is: nobody asks the host that its manifest names', async () => {
    await using elsewhere = await startHostileServer(() => ({ body: 'a layer' }));
    await using registry = await startEmulatorRegistry();
    await using copier = await makeCopier();
    const image = randomImage([1000, 2000]);
    const document = JSON.parse(image.bytes.toString()) as { layers: object[] };
    document.layers[1] = {
      ...document.layers[1],
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      urls: [`${elsewhere.url}/layer`],
    };
    const bytes = Buffer.from(JSON.stringify(document));
    const foreign = {
      ...image,
      bytes,
      size: bytes.length,
      digest: digestOf(bytes),
      blobs: image.blobs.slice(0, -1),
    };
    const folder = join(copier.folder, 'in');
    await writeLayout(folder, { v1: foreign });
    const { digest } = await copier.copy(`oci:${folder}:v1`, `${registry.host}/foreign:v1`);
    expect(digest).to.equal(foreign.digest);
    await copier.copy(`${registry.host}/foreign:v1`, `oci:${join(copier.folder, 'out')}:v1`);
    expect(elsewhere.requests).to.deep.equal([]);
  });
});
