import { join } from 'node:path';
import { expect } from 'chai';
import { Delivery } from '../../../src/deploy/delivery.js';
import { adapt } from '../../../src/image/adapt.js';
import { parseImageLocation } from '../../../src/image/location.js';
import { openSource } from '../../../src/image/open-source.js';
import { ImageSearch } from '../../../src/image/search.js';
import { readShape } from '../../../src/image/shape.js';
import { flyCapabilities } from '../../../src/targets/fly/capabilities.js';
import { makeCopier, type Copier } from '../../support/copying.js';
import { startFaultyProxy } from '../../support/faulty-proxy.js';
import { buildxIndex, type FixtureManifest } from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { PUSH_REGISTRIES } from '../../support/push-registries.js';
import { requires } from '../../support/requirements.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
/** As Heroku's: the one registry of its own, and Docker's media types alone. */
const DOCKER_ONLY = { ...flyCapabilities, index: false, attestation: false, oci: false };

for (const { name, parts, start } of PUSH_REGISTRIES) {
  describe(`Delivering an image to a target that takes Docker's media types alone, with ${name}`, () => {
    requires(...parts);

    async function prepare(copier: Copier, image: FixtureManifest, host: string) {
      await writeLayout(join(copier.folder, 'in'), { v1: image });
      const { registry } = copier.connection;
      const stop = new AbortController();
      const ports = {
        ...{ registry, tempFolder: copier.folder, signal: stop.signal, capabilities: DOCKER_ONLY },
        search: new ImageSearch(registry, new SimulatedClock()),
        stop: (reason: unknown) => stop.abort(reason),
      };
      const source = await openSource(parseImageLocation(`oci:${join(copier.folder, 'in')}`), ports);
      const stored = await source.root();
      const shape = await readShape(source, stored);
      const decision = adapt({ digest: stored.digest, shape, target: 'some', capabilities: DOCKER_ONLY });
      if (decision.action !== 'convert') throw new Error(`it is ${decision.action}, not convert`);
      const adapted = { ...decision, action: 'convert' as const, to: { domain: host, path: 'shop' } };
      const found = { stored, shape, source, isPrivate: false, durationMs: 0 };
      return Delivery.prepare(found, adapted, ports);
    }

    it('converts what it pins, pushes blobs as they are, and sends none of them again', async () => {
      await using registry = await start();
      await using proxy = await startFaultyProxy(registry);
      await using copier = await makeCopier();
      const image = await buildxIndex({ runnable: false });
      const [child] = image.children as [FixtureManifest];
      const silent = { progress: () => undefined, log: () => undefined };

      const delivery = await prepare(copier, image, proxy.host);
      const { planned } = delivery;
      expect(planned).to.include({ blobs: child.blobs.length, manifests: 1, present: false });
      const writes = proxy.exchanges.filter(({ method }) => !['GET', 'HEAD'].includes(method));
      expect(writes, 'reading alone').to.deep.equal([]);
      expect(await delivery.run(silent)).to.match(new RegExp(`^${child.blobs.length} sent`));

      const answer = await fetch(`${registry.url}/v2/shop/manifests/${planned.digest}`, {
        headers: { accept: DOCKER_MANIFEST },
      });
      expect(answer.headers.get('content-type')).to.equal(DOCKER_MANIFEST);
      const manifest = (await answer.json()) as { layers: { digest: string; mediaType: string }[] };
      expect(manifest.layers.map(({ digest }) => digest)).to.deep.equal(
        child.blobs.slice(1).map(({ digest }) => digest),
      );
      for (const { mediaType } of manifest.layers) expect(mediaType).to.contain('vnd.docker.image.rootfs');
      for (const { digest, bytes } of child.blobs) {
        const blob = await fetch(`${registry.url}/v2/shop/blobs/${digest}`);
        expect(Buffer.from(await blob.arrayBuffer()).equals(bytes)).to.equal(true);
      }

      const from = proxy.exchanges.length;
      const again = await prepare(copier, image, proxy.host);
      expect(again.planned).to.include({ present: true, digest: planned.digest });
      await again.run(silent);
      const bodies = proxy.exchanges
        .slice(from)
        .filter(({ url, method }) => method === 'PUT' && url.includes('blobs'));
      expect(bodies).to.deep.equal([]);
    });
  });
}
