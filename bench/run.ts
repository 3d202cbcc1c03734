// `npm run bench [-- NAME...] [-- --rounds N]`: prints one Markdown table of ratios to a peer or to the floor, each
// measured in the same run. Needs a build; with the Debian sid root (scripts/modern-root.mjs) there are more peers.
import { parseArgs } from 'node:util';
import { makeTempFolder } from '../test/support/temp-folder.js';
import { build } from './build.js';
import { inspect } from './inspect.js';
import { push } from './push.js';
import { roundTrips } from './round-trips.js';
import { startUp } from './start-up.js';
import { markdownTable, type Row } from './support/table.js';
import { tarContext } from './tar-context.js';

const BENCHES: Readonly<Record<string, (rounds: number) => Promise<Row[]>>> = {
  'start-up': startUp,
  inspect,
  'round-trips': roundTrips,
  push,
  build,
  tar: tarContext,
};

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '15' } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
// Nobody's credentials and caches.
await using home = await makeTempFolder('bench-home');
process.env['HOME'] = home.path;
const rows: Row[] = [];
for (const [name, bench] of Object.entries(BENCHES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  console.error(`bench: ${name}`);
  rows.push(...(await bench(Number(values.rounds))));
}
console.log(markdownTable(rows));
