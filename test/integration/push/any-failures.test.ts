import { join } from 'node:path';
import fc from 'fast-check';
import { makeCopier } from '../../support/copying.js';
import { startFaultyProxy, type Fault, type FaultyProxy } from '../../support/faulty-proxy.js';
import { buildxIndex, onTop, randomImage } from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { pushFixture } from '../../support/push-fixture.js';
import { PUSH_REGISTRIES, type PushRegistry } from '../../support/push-registries.js';
import { requires } from '../../support/requirements.js';
import { expectSame } from '../../support/round-trip.js';

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.constantFrom(408, 429, 500, 502, 503, 504).map((status): Fault => ({ kind: 'answer', status })),
  fc.nat(120_000).map((afterBytes): Fault => ({ kind: 'cut-request', afterBytes })),
  fc.nat(60_000).map((afterBytes): Fault => ({ kind: 'cut-answer', afterBytes })),
  fc.constant<Fault>({ kind: 'lose-answer' }),
);

/** At most three, at any requests: fewer than the tries that each one has. */
const failures = fc.uniqueArray(fc.record({ at: fc.integer({ min: 1, max: 16 }), fault }), {
  maxLength: 3,
  selector: ({ at }) => at,
});

for (const { name, parts, start } of PUSH_REGISTRIES) {
  describe(`Any failures that pass, with ${name}`, () => {
    requires(...parts);
    let registry: PushRegistry;
    let proxy: FaultyProxy;
    before(async () => {
      registry = await start();
      proxy = await startFaultyProxy(registry);
    });
    after(async () => {
      await proxy.stop();
      await registry.stop();
    });
    let run = 0;
    const failWith = (planned: readonly { readonly at: number; readonly fault: Fault }[]): void =>
      proxy.script((_, count) => planned.find(({ at }) => at === count)?.fault);

    it('end in the same pushed image', async function () {
      this.timeout(120_000);
      await fc.assert(
        fc.asyncProperty(failures, async (planned) => {
          run += 1;
          await using copier = await makeCopier();
          const image = onTop(randomImage([100_000]), randomImage([30_000]));
          await writeLayout(join(copier.folder, 'in'), { v1: image });
          failWith(planned);
          await copier.copy(`oci:${join(copier.folder, 'in')}`, `${proxy.host}/pushed/r${run}:v1`);
          await expectSame(registry, `pushed/r${run}`, 'v1', image);
        }),
        { numRuns: 15 },
      );
    });

    it('end in the same copy, index and attestation and all', async function () {
      this.timeout(120_000);
      await using target = await start();
      await fc.assert(
        fc.asyncProperty(failures, async (planned) => {
          run += 1;
          await using copier = await makeCopier();
          const image = await buildxIndex({ message: `run ${run}` });
          failWith([]);
          await pushFixture({ url: registry.url, repository: `from/r${run}` }, 'v1', image);
          failWith(planned);
          await copier.copy(`${proxy.host}/from/r${run}:v1`, `${target.host}/to/r${run}:v1`);
          await expectSame(target, `to/r${run}`, 'v1', image);
        }),
        { numRuns: 8 },
      );
    });
  });
}
