import { startDockerRegistry } from '../test/support/docker-registry.js';
import { buildxIndex } from '../test/support/image-fixtures.js';
import { pushFixture } from '../test/support/push-fixture.js';
import { whyMissing } from '../test/support/requirements.js';
import { deployer, modern } from './support/commands.js';
import { floors } from './support/floors.js';
import { measureInTurn } from './support/measure.js';
import { peakMemory } from './support/peak-memory.js';
import { timeRow, type Row } from './support/table.js';

const MIB = 2 ** 20;
const MEMORY_GOAL = 110;

/** `image inspect` of buildx's default index in a docker-registry on loopback. */
export async function inspect(rounds: number): Promise<Row[]> {
  await using registry = await startDockerRegistry();
  await pushFixture({ url: registry.url, repository: 'bench/app' }, 'v1', await buildxIndex());
  const reference = `${registry.host}/bench/app:v1`;
  const ours = deployer('image', 'inspect', reference);
  const what = 'image inspect of an index';
  const besideFloors: Row[] = [];
  for (const { name, node, of } of floors()) {
    const { floor, inspected } = await measureInTurn({ floor: node, inspected: of(ours) }, rounds);
    besideFloors.push(timeRow(what, inspected.median, [name, floor.median], 2.5));
  }
  return [
    ...besideFloors,
    ...(await besideBuildx(what, reference, rounds)),
    memoryRow(await peakMemory(ours)),
  ];
}

async function besideBuildx(what: string, reference: string, rounds: number): Promise<Row[]> {
  const missing = whyMissing('modern-root');
  if (missing !== undefined) return [{ what, value: '', beside: `buildx: not measured, ${missing}` }];
  const { ours, buildx, crane } = await measureInTurn(
    {
      ours: deployer('image', 'inspect', reference),
      buildx: modern('docker', 'buildx', 'imagetools', 'inspect', reference),
      crane: modern('crane', 'manifest', reference),
    },
    rounds,
  );
  return [
    timeRow(what, ours.median, ['docker buildx imagetools inspect', buildx.median], 1),
    timeRow(what, ours.median, ['crane manifest (the index alone)', crane.median]),
  ];
}

function memoryRow(bytes: number): Row {
  const value = `${(bytes / MIB).toFixed(0)} MiB`;
  const goal = { text: `< ${MEMORY_GOAL} MiB`, met: bytes < MEMORY_GOAL * MIB };
  return { what: 'peak memory of a search', value, goal };
}
