import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { RepositoryPush } from '../../../src/registry/push.js';
import { makeCopier, type Copier } from '../../support/copying.js';
import { failureOf } from '../../support/failure.js';
import { startFaultyProxy, type FaultyProxy } from '../../support/faulty-proxy.js';
import { startDeafServer } from '../../support/hostile-server.js';
import { onTop, randomImage, type FixtureBlob, type FixtureManifest } from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { pushFixture } from '../../support/push-fixture.js';
import { PUSH_REGISTRIES, type PushRegistry } from '../../support/push-registries.js';
import { requires } from '../../support/requirements.js';
import { expectSame } from '../../support/round-trip.js';

const MIB = 1024 * 1024;

for (const { name, parts, start } of PUSH_REGISTRIES) {
  describe(`Failures on the way, with ${name}`, () => {
    requires(...parts);
    let registry: PushRegistry;
    let proxy: FaultyProxy;
    let copier: Copier;
    let image: FixtureManifest;
    before(async () => {
      registry = await start();
      proxy = await startFaultyProxy(registry);
    });
    beforeEach(async () => {
      copier = await makeCopier();
      image = randomImage([8 * MIB]);
      await writeLayout(join(copier.folder, 'in'), { v1: image });
      proxy.script(() => undefined);
    });
    afterEach(() => copier[Symbol.asyncDispose]());
    after(async () => {
      await proxy.stop();
      await registry.stop();
    });
    const layerOf = (of: FixtureManifest): string => of.blobs[1]?.digest ?? '';
    const isLayerUpload = (method: string, url: string): boolean =>
      method === 'PUT' && url.includes(encodeURIComponent(layerOf(image)));
    const push = (repository: string) =>
      copier.copy(`oci:${join(copier.folder, 'in')}`, `${proxy.host}/${repository}:v1`);

    it('a pull that breaks in the middle of a blob goes on from there', async () => {
      await pushFixture({ url: registry.url, repository: 'pull/cut' }, 'v1', image);
      const from = proxy.exchanges.length;
      let cuts = 0;
      proxy.script(({ url }) => {
        if (!url.includes(`/blobs/${layerOf(image)}`) || cuts === 2) return undefined;
        cuts += 1;
        return { kind: 'cut-answer', afterBytes: 3 * MIB };
      });
      await copier.copy(`${proxy.host}/pull/cut:v1`, `oci:${join(copier.folder, 'out')}`);
      const ranges = proxy.exchanges
        .slice(from)
        .filter(({ url }) => url.includes(layerOf(image)))
        .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]));
      expect(ranges).to.have.length(3);
      expect(ranges[1], 'second try').to.be.within(2 * MIB, 3 * MIB);
      expect(ranges[2], 'third try').to.be.within(4 * MIB, 6 * MIB);
      const bytes = await readFile(join(copier.folder, 'out', 'blobs', layerOf(image).replace(':', '/')));
      expect(bytes.equals(image.blobs[1]?.bytes as Buffer)).to.equal(true);
    });

    it('a pull from a registry that knows no ranges skips what it has', async () => {
      await pushFixture({ url: registry.url, repository: 'pull/norange' }, 'v1', image);
      let tries = 0;
      proxy.script(({ url }) => {
        if (!url.includes(layerOf(image))) return undefined;
        tries += 1;
        return tries === 1 ? { kind: 'cut-answer', afterBytes: 2 * MIB } : undefined;
      });
      await using whole = await startFaultyProxy(proxy, ({ headers }) => {
        delete headers.range;
        return undefined;
      });
      await copier.copy(`${whole.host}/pull/norange:v1`, `oci:${join(copier.folder, 'out')}`);
      expect(tries).to.equal(2);
      const bytes = await readFile(join(copier.folder, 'out', 'blobs', layerOf(image).replace(':', '/')));
      expect(bytes.equals(image.blobs[1]?.bytes as Buffer)).to.equal(true);
    });

    it('a pull of bytes that are not what their digest says ends, and leaves no file', async () => {
      await pushFixture({ url: registry.url, repository: 'pull/lie' }, 'v1', image);
      proxy.script(({ url }) =>
        url.includes(layerOf(image))
          ? { kind: 'change', body: (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from('x')]) }
          : undefined,
      );
      const failure = await failureOf(() =>
        copier.copy(`${proxy.host}/pull/lie:v1`, `oci:${join(copier.folder, 'out')}`),
      );
      expect(failure.code).to.equal('digest_mismatch');
      expect(await readdir(copier.folder)).to.not.include('out');
    });

    it('a push that breaks in the middle of a blob ends in the same image', async () => {
      let cuts = 0;
      proxy.script(({ method, url }) => {
        if (!isLayerUpload(method, url) || cuts === 1) return undefined;
        cuts += 1;
        return { kind: 'cut-request', afterBytes: 5 * MIB };
      });
      const from = proxy.exchanges.length;
      await push('push/cut');
      expect(cuts).to.equal(1);
      await expectSame(registry, 'push/cut', 'v1', image);
      const rest = proxy.exchanges.slice(from).filter(({ method }) => method === 'PATCH');
      // docker-registry 2.8 can't take an upload up again that broke: its state names another offset than it has.
      if (name.startsWith('docker-registry')) expect(rest).to.deep.equal([]);
      else {
        // The first may come while the registry still writes what it got before: it is told so, and asks again.
        const begin = Number(/^(\d+)-/.exec(String(rest.at(-1)?.headers['content-range']))?.[1]);
        expect(begin, 'from where it broke').to.be.within(MIB, 5 * MIB);
        expect(rest.at(-1)?.bodyBytes, 'and no byte before that').to.equal(8 * MIB - begin);
      }
    });

    it('a push whose connection breaks at each try is connection_lost (12), and leaves no tag', async () => {
      let cuts = 0;
      proxy.script(({ method, url }) => {
        // A registry that lets an upload go on gets a chunk (PATCH) next, and of that too little to go on for ever.
        if (!isLayerUpload(method, url) && method !== 'PATCH') return undefined;
        cuts += 1;
        return { kind: 'cut-request', afterBytes: 1000 };
      });
      const failure = await failureOf(() => push('push/lost'));
      expect(failure).to.include({ code: 'connection_lost', exit: 12 });
      expect(failure.message).to.contain(proxy.host);
      expect(cuts).to.be.within(3, 4);
      expect((await fetch(`${registry.url}/v2/push/lost/manifests/v1`)).status).to.equal(404);
    });

    it('a pull whose connection breaks at each try is connection_lost (12), and leaves nothing of a new layout', async () => {
      await pushFixture({ url: registry.url, repository: 'pull/lost' }, 'v1', image);
      proxy.script(({ url }) =>
        url.includes(layerOf(image)) ? { kind: 'cut-answer', afterBytes: 1000 } : undefined,
      );
      const failure = await failureOf(() =>
        copier.copy(`${proxy.host}/pull/lost:v1`, `oci:${join(copier.folder, 'out')}`),
      );
      expect(failure).to.include({ code: 'connection_lost', exit: 12 });
      expect(copier.warnings.join('\n')).to.match(/at byte \d+ of 8388608/);
      expect(await readdir(copier.folder)).to.not.include('out');
    });

    it('429 on a manifest and 503 on a blob that are pulled are asked again, as Retry-After says', async () => {
      await pushFixture({ url: registry.url, repository: 'pull/again' }, 'v1', image);
      const seen = new Set<string>();
      const inFive = new Date(Date.now() + 5000).toUTCString();
      proxy.script(({ url }) => {
        const what = url.includes('/manifests/') ? 'manifest' : 'blob';
        if (seen.has(what)) return undefined;
        seen.add(what);
        return what === 'manifest'
          ? { kind: 'answer', status: 429, headers: { 'retry-after': '3' } }
          : { kind: 'answer', status: 503, headers: { 'retry-after': inFive } };
      });
      const { digest } = await copier.copy(
        `${proxy.host}/pull/again:v1`,
        `oci:${join(copier.folder, 'out')}`,
      );
      expect(digest).to.equal(image.digest);
      expect(copier.pauses[0]).to.equal(3000);
      // A date has whole seconds, and some time has passed on both clocks.
      expect(copier.pauses[1]).to.be.within(0, 5000);
    });

    it('a blob that is shorter than its manifest says is no image, and is not asked for again', async () => {
      await pushFixture({ url: registry.url, repository: 'pull/short' }, 'v1', image);
      proxy.script(({ url }) =>
        url.includes(layerOf(image))
          ? { kind: 'change', body: (bytes) => bytes.subarray(0, 4 * MIB) }
          : undefined,
      );
      const from = proxy.exchanges.length;
      const failure = await failureOf(() =>
        copier.copy(`${proxy.host}/pull/short:v1`, `oci:${join(copier.folder, 'out')}`),
      );
      expect(failure).to.include({ code: 'digest_mismatch', exit: 12 });
      const asked = proxy.exchanges.slice(from).filter(({ url }) => url.includes(layerOf(image)));
      expect(asked).to.have.length(1);
    });

    it('a registry that failed while it stored is asked what it has', async () => {
      let failed = 0;
      proxy.script(({ method, url }) => {
        if (!isLayerUpload(method, url) || failed === 1) return undefined;
        failed += 1;
        return { kind: 'lose-answer' };
      });
      const from = proxy.exchanges.length;
      const result = await push('push/lost');
      await expectSame(registry, 'push/lost', 'v1', image);
      const uploads = proxy.exchanges.slice(from).filter(({ method, url }) => isLayerUpload(method, url));
      expect(uploads, 'the blob was there: it is not sent again').to.have.length(1);
      expect(result.bytesSent).to.equal(image.blobs.reduce((sum, { size }) => sum + size, 0));
    });

    for (const status of [500, 502, 503, 429]) {
      it(`${status} on the upload and on the manifest is asked again`, async () => {
        const seen = new Set<string>();
        proxy.script(({ method, url }) => {
          const what = `${method} ${url.includes('/manifests/') ? 'manifest' : 'blob'}`;
          if (!['POST', 'PUT'].includes(method) || seen.has(what)) return undefined;
          seen.add(what);
          return { kind: 'answer', status, ...(status === 429 ? { headers: { 'retry-after': '7' } } : {}) };
        });
        await push(`push/s${status}`);
        expect([...seen].sort()).to.deep.equal(['POST blob', 'PUT blob', 'PUT manifest']);
        await expectSame(registry, `push/s${status}`, 'v1', image);
        if (status === 429) expect(copier.pauses, 'as long as it asked for').to.include(7000);
      });
    }

    it('500 on the manifest for good is a failed push, with what the registry said', async () => {
      proxy.script(({ method, url }) =>
        method === 'PUT' && url.includes('/manifests/')
          ? {
              kind: 'answer',
              status: 500,
              body: '{"errors":[{"code":"UNKNOWN","message":"disk \\u001b[31mfull"}]}',
            }
          : undefined,
      );
      const failure = await failureOf(() => push('push/broken'));
      expect(failure).to.include({ code: 'push_failed', exit: 7 });
      expect(failure.evidence.join()).to.contain('500 UNKNOWN: disk [31mfull');
      expect((await fetch(`${registry.url}/v2/push/broken/manifests/v1`)).status).to.equal(404);
    });

    /** Of the image's layer, with little patience. */
    const pushOnto = (path: string) => {
      const { requests } = copier.connection.registry;
      const [, layer] = image.blobs;
      const impatient = new RepositoryPush(requests, { domain: proxy.host, path }, { commitTimeoutMs: 300 });
      return impatient.blob(layer as FixtureBlob, { open: () => Readable.from([layer?.bytes]) });
    };

    for (const silent of ['POST', 'PUT']) {
      it(`a server that does not answer a ${silent} is given up`, async () => {
        proxy.script(({ method }) => (method === silent ? { kind: 'silent' } : undefined));
        const failure = await failureOf(() => pushOnto('push/silent'));
        expect(failure).to.include({ code: 'connection_timed_out', exit: 12 });
        expect(copier.pauses).to.have.length(3);
      });
    }

    it('a server that reads nothing of what it is sent is given up', async () => {
      await using deaf = await startDeafServer();
      proxy.script(({ method }) =>
        method === 'POST'
          ? { kind: 'change', headers: (answered) => ({ ...answered, location: `${deaf.url}/up` }) }
          : undefined,
      );
      const failure = await failureOf(() => pushOnto('push/deaf'));
      expect(failure).to.include({ code: 'connection_timed_out', exit: 12 });
      expect(failure.message).to.contain(deaf.host);
    });

    for (const status of [401, 403, 404, 405]) {
      it(`a mount that is refused with ${status} becomes an upload`, async () => {
        await pushFixture({ url: registry.url, repository: `mount/from${status}` }, 'v1', image);
        proxy.script(({ method, url }) =>
          method === 'POST' && url.includes('mount=')
            ? { kind: 'answer', status, body: '{"errors":[{"code":"DENIED","message":"no mounts here"}]}' }
            : undefined,
        );
        const result = await copier.copy(
          `${proxy.host}/mount/from${status}:v1`,
          `${proxy.host}/mount/to${status}:v1`,
        );
        expect(result.blobsMounted).to.equal(0);
        await expectSame(registry, `mount/to${status}`, 'v1', image);
      });
    }

    it('a mount that is answered with an upload goes on in that upload', async () => {
      const from = proxy.exchanges.length;
      const repository = { domain: proxy.host, path: 'mount/here' };
      const mounting = new RepositoryPush(copier.connection.registry.requests, repository, {
        mountFrom: 'mount/nothing-there',
      });
      const [config] = image.blobs;
      const content = {
        async *open() {
          yield await Promise.resolve(config?.bytes as Buffer);
        },
      };
      expect(await mounting.blob(config as never, content)).to.equal('sent');
      const methods = proxy.exchanges.slice(from).map(({ method }) => method);
      expect(methods).to.deep.equal(['HEAD', 'POST', 'PUT']);
    });

    it('a whole that is too large for what stands before the registry (413) goes in chunks', async () => {
      const large = randomImage([40 * MIB]);
      await writeLayout(join(copier.folder, 'large'), { v1: large });
      const from = proxy.exchanges.length;
      proxy.script(({ method, headers }) =>
        method === 'PUT' && Number(headers['content-length']) > 20 * MIB
          ? { kind: 'answer', status: 413 }
          : undefined,
      );
      await copier.copy(`oci:${join(copier.folder, 'large')}`, `${proxy.host}/chunks:v1`);
      const chunks = proxy.exchanges.slice(from).filter(({ method }) => method === 'PATCH');
      expect(chunks.map(({ headers }) => headers['content-range'])).to.deep.equal([
        `0-${16 * MIB - 1}`,
        `${16 * MIB}-${32 * MIB - 1}`,
        `${32 * MIB}-${40 * MIB - 1}`,
      ]);
      await expectSame(registry, 'chunks', 'v1', large);
    });

    it('chunks are as large as the registry wants them at least (OCI-Chunk-Min-Length)', async () => {
      const large = randomImage([40 * MIB]);
      await writeLayout(join(copier.folder, 'large'), { v1: large });
      const from = proxy.exchanges.length;
      proxy.script(({ method, headers }) => {
        if (method === 'PUT' && Number(headers['content-length']) > 30 * MIB)
          return { kind: 'answer', status: 413 };
        if (method !== 'POST') return undefined;
        return {
          kind: 'change',
          headers: (answered) => ({ ...answered, 'oci-chunk-min-length': String(25 * MIB) }),
        };
      });
      await copier.copy(`oci:${join(copier.folder, 'large')}`, `${proxy.host}/least:v1`);
      const sizes = proxy.exchanges
        .slice(from)
        .filter(({ method }) => method === 'PATCH')
        .map(({ bodyBytes }) => bodyBytes / MIB);
      expect(sizes[0]).to.equal(25);
      await expectSame(registry, 'least', 'v1', large);
    });

    it('a registry that stores another manifest than it was sent is caught', async () => {
      const lie = `sha256:${'0'.repeat(64)}`;
      proxy.script(({ method, url }) =>
        method === 'PUT' && url.includes('/manifests/')
          ? { kind: 'change', headers: (headers) => ({ ...headers, 'docker-content-digest': lie }) }
          : undefined,
      );
      const failure = await failureOf(() => push('push/lie'));
      expect(failure.code).to.equal('push_failed');
      expect(failure.evidence).to.include(`stored: ${lie}`);
    });

    it('layers of several images are each sent once, also when the connection breaks', async () => {
      const top = onTop(image, randomImage([MIB]));
      await writeLayout(join(copier.folder, 'top'), { v1: top });
      proxy.script(({ method }, count) =>
        method === 'PUT' && count % 4 === 0 ? { kind: 'cut-request', afterBytes: 1000 } : undefined,
      );
      await copier.copy(`oci:${join(copier.folder, 'top')}`, `${proxy.host}/top:v1`);
      await expectSame(registry, 'top', 'v1', top);
    });
  });
}
