import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDockerRegistry } from '../test/support/docker-registry.js';
import { startFaultyProxy } from '../test/support/faulty-proxy.js';
import { MODERN_ROOT, whyMissing } from '../test/support/requirements.js';
import { makeTempFolder } from '../test/support/temp-folder.js';
import { deployer, modern } from './support/commands.js';
import { measureInTurn, runToEnd, type Command } from './support/measure.js';
import { peakMemory } from './support/peak-memory.js';
import { writeRandomLayout } from './support/random-layout.js';
import { timeRow, type Row } from './support/table.js';

const MIB = 2 ** 20;
const MEMORY_GOAL = 130;
const MEMORY_GROWTH_GOAL = 20;
const REQUESTS_GOAL = 15;
/** A push of 512 MiB takes seconds: it is timed in fewer rounds than what takes milliseconds. */
const MOST_ROUNDS = 7;

/** Pushing OCI layouts to a docker-registry on loopback, which has nothing of them before. */
export async function push(rounds: number): Promise<Row[]> {
  const modernMissing = whyMissing('modern-root');
  // crane and skopeo see the sid root alone: the layouts lie in it.
  const folder = await mkdtemp(
    join(modernMissing === undefined ? join(MODERN_ROOT, 'tmp') : tmpdir(), 'deployer-bench-'),
  );
  try {
    return [
      ...(await pushLarge(folder, Math.min(rounds, MOST_ROUNDS), modernMissing)),
      ...(await pushMany(folder, modernMissing)),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pushLarge(folder: string, rounds: number, modernMissing: string | undefined): Promise<Row[]> {
  await using data = await makeTempFolder('bench-registry');
  await using registry = await startDockerRegistry({ dataFolder: data.path });
  // A registry without this image, each time.
  const before = (): Promise<void> => rm(join(data.path, 'docker'), { recursive: true, force: true });
  const layout = join(folder, 'large');
  const reference = `${registry.host}/bench/large:v1`;
  await writeRandomLayout(layout, layersOf(8, 512 * MIB));
  const ours: Command = { ...deployer('image', 'copy', `oci:${layout}`, reference), before };
  const what = 'push of 512 MiB in 8 layers';
  const rows =
    modernMissing === undefined
      ? await besidePeers(what, { ours, layout, reference, rounds, before })
      : [{ what, value: '', beside: `crane, skopeo: not measured, ${modernMissing}` }];
  await before();
  const small = await peakMemory(ours);
  const again = await requestsOf(registry.host, `oci:${layout}`);
  await before();
  const larger = join(folder, 'larger');
  await writeRandomLayout(larger, layersOf(8, 2048 * MIB));
  const large = await peakMemory(deployer('image', 'copy', `oci:${larger}`, reference));
  await rm(larger, { recursive: true });
  return [...rows, memoryRow(small), growthRow(large - small), again];
}

async function besidePeers(
  what: string,
  push: {
    readonly ours: Command;
    readonly layout: string;
    readonly reference: string;
    readonly rounds: number;
    readonly before: () => Promise<void>;
  },
): Promise<Row[]> {
  const { ours, reference, rounds, before } = push;
  const layout = push.layout.slice(MODERN_ROOT.length);
  const plain = ['--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false'];
  const { mine, crane, skopeo } = await measureInTurn(
    {
      mine: ours,
      crane: { ...modern('crane', 'push', layout, reference), before },
      skopeo: { ...modern('skopeo', ...plain, `oci:${layout}`, `docker://${reference}`), before },
    },
    rounds,
  );
  return [
    timeRow(what, mine.median, ['crane push', crane.median], 1.15),
    timeRow(what, mine.median, ['skopeo copy', skopeo.median], 1),
  ];
}

/** The second push, counted on its way. */
async function requestsOf(host: string, source: string): Promise<Row> {
  await using way = await startFaultyProxy({ host });
  const again = deployer('image', 'copy', source, `${way.host}/bench/large:v1`);
  await runToEnd(again);
  const from = way.exchanges.length;
  await runToEnd(again);
  const requests = way.exchanges.slice(from);
  const bodies = requests.filter(({ bodyBytes }) => bodyBytes > 0);
  const value = `${requests.length} requests, ${bodies.length} with a body`;
  const goal = {
    text: `< ${REQUESTS_GOAL} requests, no body`,
    met: requests.length < REQUESTS_GOAL && bodies.length === 0,
  };
  return { what: 'the same push again', value, goal };
}

/** Ten times the layers cost ten times as much, not a hundred times. */
async function pushMany(folder: string, modernMissing: string | undefined): Promise<Row[]> {
  await using data = await makeTempFolder('bench-registry');
  await using registry = await startDockerRegistry({ dataFolder: data.path });
  const rows: Row[] = [];
  for (const count of [10, 100, 1000]) {
    const layout = join(folder, `many-${count}`);
    await writeRandomLayout(layout, layersOf(count, count * 4096));
    const what = `push of ${count} layers of 4 kiB`;
    const name = `${registry.host}/bench/many-${count}`;
    const ms = await onceMeasured(deployer('image', 'copy', `oci:${layout}`, `${name}:ours`));
    if (modernMissing !== undefined) {
      rows.push({ what, value: `${ms.toFixed(0)} ms`, beside: `crane: not measured, ${modernMissing}` });
      continue;
    }
    const crane = modern('crane', 'push', layout.slice(MODERN_ROOT.length), `${name}-crane:v1`);
    rows.push(timeRow(what, ms, ['crane push', await onceMeasured(crane)]));
  }
  return rows;
}

async function onceMeasured(command: Command): Promise<number> {
  const started = performance.now();
  await runToEnd(command);
  return performance.now() - started;
}

function layersOf(count: number, bytes: number): number[] {
  return Array.from({ length: count }, () => bytes / count);
}

function memoryRow(bytes: number): Row {
  const goal = { text: `< ${MEMORY_GOAL} MiB`, met: bytes < MEMORY_GOAL * MIB };
  return { what: 'peak memory of a push of 512 MiB', value: `${(bytes / MIB).toFixed(0)} MiB`, goal };
}

function growthRow(bytes: number): Row {
  const goal = { text: `< ${MEMORY_GROWTH_GOAL} MiB`, met: Math.abs(bytes) < MEMORY_GROWTH_GOAL * MIB };
  return { what: 'what 2 GiB take more', value: `${(bytes / MIB).toFixed(0)} MiB`, goal };
}
