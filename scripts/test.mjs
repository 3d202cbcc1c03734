// `npm test`: installs the real parts that the tests use (where it may), builds, runs mocha, and makes sure that
// nothing stays behind. Arguments go on to mocha: files, -g PATTERN. With DEPLOYER_TEST_PREPARED=1 it neither installs
// nor builds.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { RUN_VARIABLE, survivorsOf } from '../test/support/survivors.mjs';

const EVERYTHING = ['test/unit/**/*.test.ts', 'test/integration/**/*.test.ts', 'test/e2e/**/*.test.ts'];

const args = process.argv.slice(2);
const files = args.filter((arg) => /^(\.\/)?test\//.test(arg));
const unitOnly = files.length > 0 && files.every((file) => /^(\.\/)?test\/unit\//.test(file));

if (!unitOnly && process.env.DEPLOYER_TEST_PREPARED === undefined) {
  run(process.execPath, ['scripts/install-test-parts.mjs']);
  run(process.execPath, ['scripts/build.mjs']);
}
const id = randomUUID();
const mocha = spawnSync(
  process.execPath,
  [
    'node_modules/mocha/bin/mocha.js',
    ...(process.env.CI === 'true' ? ['--forbid-only'] : []),
    ...args,
    ...(files.length > 0 ? [] : EVERYTHING),
  ],
  { stdio: 'inherit', env: { ...process.env, [RUN_VARIABLE]: id } },
);
const survivors = survivorsOf(id);
for (const { pid, command } of survivors) {
  console.error(`left by the tests, ended now: process ${pid}: ${command}`);
  process.kill(pid, 'SIGKILL');
}
process.exitCode = mocha.status === 0 && survivors.length === 0 ? 0 : mocha.status || 1;

function run(program, programArgs) {
  // Its output goes to stderr: stdout is the tests' own.
  const { status } = spawnSync(program, programArgs, { stdio: ['inherit', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
