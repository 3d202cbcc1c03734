// `npm run test:modern`: the tests that need today's Docker Engine and buildx, and crane, oras and skopeo as peers.
// Makes the root that they lie in first (scripts/modern-root.mjs). Arguments go on to mocha.
import { spawnSync } from 'node:child_process';

run('scripts/modern-root.mjs');
run('scripts/test.mjs', 'test/modern/**/*.test.ts', ...process.argv.slice(2));

function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
