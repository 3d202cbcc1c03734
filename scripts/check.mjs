// `npm run check`: everything that can be said of the code without running it. Says all that is wrong, not only the
// first. Needs a build.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Name, program (of node_modules/.bin, or a script of ours), arguments. */
const CHECKS = [
  ['format', 'prettier', '--check', '.'],
  ['types', 'tsc', '--noEmit'],
  ['lint', 'eslint', '.', '--max-warnings', '0'],
  ['layers', 'depcruise', 'src', 'bin', '--config', '.dependency-cruiser.mjs'],
  ['unused code', 'knip'],
  ['manifest', 'scripts/manifest.mjs', '--check'],
  ['package', 'publint', '--strict', '--pack', 'false'],
  ['licences', 'scripts/licences.mjs'],
];

const failed = CHECKS.filter((check) => !passes(check)).map(([name]) => name);
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}

function passes([name, program, ...args]) {
  const started = performance.now();
  const [command, ...before] = program.endsWith('.mjs')
    ? [process.execPath, join(root, program)]
    : [join(root, 'node_modules/.bin', program)];
  const { status, error, stdout, stderr } = spawnSync(command, [...before, ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  if (status !== 0) console.log(`${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`);
  return status === 0;
}
