import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeCopier, type Copier } from '../../support/copying.js';
import { failureOf } from '../../support/failure.js';
import { startFaultyProxy, type FaultyProxy } from '../../support/faulty-proxy.js';
import {
  buildxIndex,
  dockerImage,
  LINUX_AMD64,
  LINUX_ARM64,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  onTop,
  randomImage,
} from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { pushFixture } from '../../support/push-fixture.js';
import { PUSH_REGISTRIES, type PushRegistry } from '../../support/push-registries.js';
import { requires } from '../../support/requirements.js';
import { expectSame } from '../../support/round-trip.js';

for (const { name, parts, start } of PUSH_REGISTRIES) {
  describe(`Copying images, with ${name}`, () => {
    requires(...parts);
    let registry: PushRegistry;
    let proxy: FaultyProxy;
    let copier: Copier;
    before(async () => {
      registry = await start();
      proxy = await startFaultyProxy(registry);
    });
    beforeEach(async () => {
      copier = await makeCopier();
    });
    afterEach(() => copier[Symbol.asyncDispose]());
    after(async () => {
      await proxy.stop();
      await registry.stop();
    });
    const folder = (leaf: string): string => join(copier.folder, leaf);
    /** What went through the proxy since `from`, as `METHOD kind`. */
    const asked = (from: number): string[] =>
      proxy.exchanges
        .slice(from)
        .map(({ method, url }) => `${method} ${/\/(blobs|manifests)\//.exec(url)?.[1]}`);

    for (const [kind, make] of [
      ['one OCI manifest', ociImage],
      ['one Docker manifest', dockerImage],
      ["buildx's index with provenance", buildxIndex],
      ['an index of two platforms', multiPlatformIndex],
      ['an index within an index', nestedIndex],
    ] as const) {
      it(`pushes ${kind} out of a layout, byte for byte, and brings it back the same`, async () => {
        const image = await make();
        const repository = `kinds/${image.digest.slice(7, 19)}`;
        await writeLayout(folder('in'), { v1: image });
        const result = await copier.copy(`oci:${folder('in')}:v1`, `${registry.host}/${repository}:v1`);
        expect(result.digest).to.equal(image.digest);
        await expectSame(registry, repository, 'v1', image);

        const back = await copier.copy(`${registry.host}/${repository}:v1`, `oci:${folder('out')}:v2`);
        expect(back.digest).to.equal(image.digest);
        for (const blob of [image, ...image.children].flatMap((part) => [...part.blobs, part])) {
          const bytes = await readFile(folder(`out/blobs/${blob.digest.replace(':', '/')}`));
          expect(bytes.equals(blob.bytes), blob.digest).to.equal(true);
        }
      });
    }

    it('puts blobs first, an image before what is about it, and the tag last', async () => {
      const image = await buildxIndex({ message: 'order' });
      await writeLayout(folder('in'), { v1: image });
      const from = proxy.exchanges.length;
      await copier.copy(`oci:${folder('in')}`, `${proxy.host}/order:v1`);
      const writes = proxy.exchanges
        .slice(from)
        .filter(({ method }) => method === 'PUT')
        .map(({ url }) => url);
      const manifests = writes.filter((url) => url.includes('/manifests/'));
      expect(manifests).to.deep.equal([
        `/v2/order/manifests/${image.children[0]?.digest}`,
        `/v2/order/manifests/${image.children[1]?.digest}`,
        '/v2/order/manifests/v1',
      ]);
      expect(writes.indexOf(manifests[0] as string), 'blobs first').to.equal(writes.length - 3);
    });

    it('pushes the same again with one HEAD and no body', async () => {
      await writeLayout(folder('in'), { v1: randomImage([50_000, 60_000]) });
      await copier.copy(`oci:${folder('in')}`, `${proxy.host}/again:v1`);
      const from = proxy.exchanges.length;
      const second = await copier.copy(`oci:${folder('in')}`, `${proxy.host}/again:v1`);
      expect(asked(from)).to.deep.equal(['HEAD manifests']);
      expect(second).to.include({ bytesSent: 0, blobsMounted: 0, blobsSkipped: 3, unchanged: true });
    });

    it('copies the same again between repositories with HEADs alone', async () => {
      await writeLayout(folder('in'), { v1: randomImage([50_000]) });
      await copier.copy(`oci:${folder('in')}`, `${proxy.host}/heads/from:v1`);
      await copier.copy(`${proxy.host}/heads/from:v1`, `${proxy.host}/heads/to:v1`);
      const from = proxy.exchanges.length;
      const again = await copier.copy(`${proxy.host}/heads/from:v1`, `${proxy.host}/heads/to:v1`);
      expect(asked(from)).to.deep.equal(['HEAD manifests', 'HEAD manifests']);
      expect(again).to.include({ bytesSent: 0, unchanged: true });
    });

    it('gives what is there another tag without asking for a blob', async () => {
      await writeLayout(folder('in'), { v1: randomImage([50_000]) });
      await copier.copy(`oci:${folder('in')}`, `${proxy.host}/retag:v1`);
      const from = proxy.exchanges.length;
      const result = await copier.copy(`oci:${folder('in')}`, `${proxy.host}/retag:v2`);
      expect(asked(from)).to.deep.equal(['HEAD manifests', 'HEAD manifests', 'PUT manifests']);
      expect(result).to.include({ bytesSent: 0, blobsSkipped: 2, unchanged: false });
    });

    it('sends only the layer that is new', async () => {
      const base = randomImage([80_000, 90_000]);
      await writeLayout(folder('in'), { v1: base });
      await copier.copy(`oci:${folder('in')}`, `${registry.host}/layers:v1`);
      // The same two layers and one more, as a rebuild makes it.
      const rebuilt = onTop(base, randomImage([10_000]));
      await writeLayout(folder('in2'), { v2: rebuilt });
      const result = await copier.copy(`oci:${folder('in2')}`, `${registry.host}/layers:v2`);
      expect(result).to.include({ blobsSkipped: 2, blobsMounted: 0 });
      expect(result.bytesSent).to.equal(10_000 + (rebuilt.blobs[0]?.size ?? 0));
    });

    it('mounts from another repository of the same registry: no blob travels', async () => {
      const image = await buildxIndex({ message: 'mounted' });
      await pushFixture({ url: registry.url, repository: 'mount/from' }, 'v1', image);
      const result = await copier.copy(`${registry.host}/mount/from:v1`, `${registry.host}/mount/to:v1`);
      expect(result).to.include({ digest: image.digest, bytesSent: 0, blobsMounted: 5, blobsSkipped: 0 });
      expect(copier.trips.filter((trip) => /^GET .*\/blobs\//.test(trip))).to.deep.equal([]);
      await expectSame(registry, 'mount/to', 'v1', image);
    });

    it('copies to another registry what the first one has', async () => {
      await using other = await start();
      const image = await multiPlatformIndex();
      await pushFixture({ url: registry.url, repository: 'far/from' }, 'v1', image);
      const result = await copier.copy(`${registry.host}/far/from:v1`, `${other.host}/far/to`);
      expect(result.destination).to.equal(`${other.host}/far/to:latest`);
      await expectSame(other, 'far/to', 'latest', image);
    });

    it("copies one platform as its own manifest: no index with gaps, nobody's attestation", async () => {
      const image = await multiPlatformIndex();
      await writeLayout(folder('in'), { v1: image });
      const result = await copier.copy(`oci:${folder('in')}`, `${registry.host}/one:v1`, {
        platform: LINUX_ARM64,
      });
      const [, arm64] = image.children;
      expect(result.digest).to.equal(arm64?.digest);
      await expectSame(registry, 'one', 'v1', arm64 as typeof image);
    });

    it('says which platforms there are when the wanted one is not', async () => {
      await writeLayout(folder('in'), { v1: await multiPlatformIndex() });
      const failure = await failureOf(() =>
        copier.copy(`oci:${folder('in')}`, `${registry.host}/none:v1`, {
          platform: { os: 'windows', architecture: 'amd64' },
        }),
      );
      expect(failure.code).to.equal('platform_not_found');
      expect(failure.evidence.join()).to.contain('linux/amd64, linux/arm64');
    });

    it('keeps what lies under the tag when a copy is refused for another digest', async () => {
      const there = await ociImage({ message: 'there' });
      await pushFixture({ url: registry.url, repository: 'kept' }, 'v1', there);
      await writeLayout(folder('in'), { v1: await ociImage({ message: 'new' }) });
      const failure = await failureOf(() =>
        copier.copy(`oci:${folder('in')}`, `${registry.host}/kept:v1@${there.digest}`),
      );
      expect(failure.code).to.equal('usage');
      await expectSame(registry, 'kept', 'v1', there);
    });

    it('leaves no tag behind when the layout turns out to be damaged', async () => {
      const image = randomImage([200_000, 300_000]);
      await writeLayout(folder('in'), { v1: image });
      const [, layer] = image.blobs;
      const file = folder(`in/blobs/${(layer?.digest ?? '').replace(':', '/')}`);
      await writeFile(file, Buffer.alloc(layer?.size ?? 0, 1));
      const failure = await failureOf(() =>
        copier.copy(`oci:${folder('in')}`, `${registry.host}/damaged:v1`),
      );
      expect(failure.code).to.equal('image_file_invalid');
      expect(failure.message).to.contain(file);
      const tag = await fetch(`${registry.url}/v2/damaged/manifests/v1`);
      expect(tag.status).to.equal(404);
      const blob = await fetch(`${registry.url}/v2/damaged/blobs/${layer?.digest}`);
      expect(blob.status, 'the damaged bytes were not stored').to.equal(404);
    });

    it('tells how far it is: never backwards here, and whole at the end', async () => {
      const image = randomImage([400_000, 700_000]);
      await writeLayout(folder('in'), { v1: image });
      await copier.copy(`oci:${folder('in')}`, `${registry.host}/progress:v1`);
      const total = image.blobs.reduce((sum, { size }) => sum + size, 0);
      const done = copier.progress.map(({ bytesDone }) => bytesDone);
      expect(done).to.deep.equal([...done].sort((a, b) => a - b));
      expect(copier.progress.at(-1)).to.deep.include({
        ...{ bytesDone: total, bytesTotal: total, bytesSent: total },
        ...{ blobsTotal: 3, blobsSent: 3, blobsMounted: 0, blobsSkipped: 0 },
      });
    });

    it('stops where it is told to, and leaves nothing under the tag', async () => {
      await writeLayout(folder('in'), { v1: randomImage([3_000_000, 3_000_000, 3_000_000]) });
      const stop = new AbortController();
      proxy.script(({ method }) => {
        if (method === 'PUT') setTimeout(() => stop.abort(new Error('enough')), 30);
        return method === 'PUT' ? { kind: 'silent' } : undefined;
      });
      const copying = copier.copy(`oci:${folder('in')}`, `${proxy.host}/stopped:v1`, {}, stop.signal);
      expect(await copying.catch((error: unknown) => (error as Error).message)).to.equal('enough');
      proxy.script(() => undefined);
      expect((await fetch(`${registry.url}/v2/stopped/manifests/v1`)).status).to.equal(404);
    });

    it('reads the platform out of the config where an index leaves it out', async () => {
      const image = await ociImage({ platform: LINUX_AMD64 });
      await writeLayout(folder('in'), { v1: image });
      const result = await copier.copy(`oci:${folder('in')}`, `${registry.host}/config:v1`, {
        platform: LINUX_AMD64,
      });
      expect(result.digest).to.equal(image.digest);
      const failure = await failureOf(() =>
        copier.copy(`oci:${folder('in')}`, `${registry.host}/config:v2`, { platform: LINUX_ARM64 }),
      );
      expect(failure.code).to.equal('platform_not_found');
    });
  });
}
