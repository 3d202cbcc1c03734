import { randomFillSync } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { makeTempFolder } from '../test/support/temp-folder.js';
import { measureInTurn, type Command } from './support/measure.js';
import { peakMemory } from './support/peak-memory.js';
import { timeRow, type Row } from './support/table.js';

const MIB = 2 ** 20;
const TIME_GOAL = 1.3;
const MEMORY_GOAL = 150;
const MOST_ROUNDS = 7;

/** Packing build contexts as tar archives, as for an engine without BuildKit, beside GNU tar. */
export async function tarContext(rounds: number): Promise<Row[]> {
  await using folder = await makeTempFolder('bench-context');
  const program = join(folder.path, 'pack.mjs');
  await bundlePacker(program);
  const nothing = join(folder.path, 'nothing');
  await mkdir(nothing);
  const rows: Row[] = [];
  for (const [what, folders, files, bytes] of [
    ['500 MiB in 5,000 files', 50, 100, (500 * MIB) / 5000],
    ['50,000 files of 2 kB', 250, 200, 2000],
  ] as const) {
    const context = join(folder.path, what.replaceAll(/[ ,]/g, '-'));
    await writeContext(context, { folders, files, bytes: Math.floor(bytes) });
    const { start, ours, tar } = await measureInTurn(
      {
        start: packing(program, nothing),
        ours: packing(program, context),
        tar: intoSocket('tar', '-c', '-C', context, '.'),
      },
      Math.min(rounds, MOST_ROUNDS),
    );
    // Where a build packs, Node has long been started, and has loaded what it runs.
    rows.push(
      timeRow(
        `tar of ${what}, without the start`,
        ours.median - start.median,
        ['tar -c', tar.median],
        TIME_GOAL,
      ),
    );
    rows.push(memoryRow(what, await peakMemory(packing(program, context))));
  }
  const large = join(folder.path, 'large');
  await writeLarge(large, 4096 * MIB);
  rows.push(memoryRow('4 GiB in one file', await peakMemory(packing(program, large))));
  return rows;
}

/** As the program's own bundle is made. */
async function bundlePacker(outfile: string): Promise<void> {
  const entry = fileURLToPath(new URL('support/pack-context.ts', import.meta.url));
  await build({
    ...{ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20' },
    logLevel: 'error',
  });
}

function packing(program: string, context: string): Command {
  return intoSocket(process.execPath, program, context);
}

/** As a build sends it: an engine listens on a Unix socket, which takes more at a time than a pipe does. */
function intoSocket(...argv: Command['argv']): Command {
  return { argv, output: 'socket' };
}

/** Random bytes in files of one size, in the page cache afterwards. */
async function writeContext(
  root: string,
  { folders, files, bytes }: { readonly folders: number; readonly files: number; readonly bytes: number },
): Promise<void> {
  for (let at = 0; at < folders; at += 1) {
    const folder = join(root, `folder-${at}`);
    await mkdir(folder, { recursive: true });
    for (let file = 0; file < files; file += 1) {
      await writeFile(join(folder, `file-${file}`), randomFillSync(Buffer.alloc(bytes)));
    }
  }
}

/** A hole: it takes no room, and reads as long as any other. */
async function writeLarge(root: string, bytes: number): Promise<void> {
  await mkdir(root);
  await using file = await open(join(root, 'large'), 'w');
  await file.truncate(bytes);
}

function memoryRow(what: string, bytes: number): Row {
  const goal = { text: `< ${MEMORY_GOAL} MiB`, met: bytes < MEMORY_GOAL * MIB };
  return { what: `peak memory of the tar of ${what}`, value: `${(bytes / MIB).toFixed(0)} MiB`, goal };
}
