// `npm test`: installs the real parts that the tests use (where it may), builds, runs mocha, and makes sure that
// nothing stays behind. Arguments go on to mocha: files (one process, in order), -g PATTERN. With
// DEPLOYER_TEST_PREPARED=1 it neither installs nor builds.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { runLanes } from './test-lanes.mjs';

/** Of about the same length. */
const LANES = [['test/e2e/**/*.test.ts'], ['test/unit/**/*.test.ts', 'test/integration/**/*.test.ts']];

const args = process.argv.slice(2);
const files = args.filter((arg) => /^(\.\/)?test\//.test(arg));
const unitOnly = files.length > 0 && files.every((file) => /^(\.\/)?test\/unit\//.test(file));

if (!unitOnly && process.env.DEPLOYER_TEST_PREPARED === undefined) {
  run(process.execPath, ['scripts/install-test-parts.mjs']);
  run(process.execPath, ['scripts/build.mjs']);
}
const everything = availableParallelism() > 1 ? LANES : [LANES.flat()];
const lanes = files.length > 0 ? [[]] : everything;
const options = process.env.CI === 'true' ? ['--forbid-only'] : [];
if (process.stdout.isTTY) options.push('--color');
process.exitCode = await runLanes(lanes.map((lane) => [...options, ...args, ...lane]));

function run(program, programArgs) {
  // Its output goes to stderr: stdout is the tests' own.
  const { status } = spawnSync(program, programArgs, { stdio: ['inherit', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
