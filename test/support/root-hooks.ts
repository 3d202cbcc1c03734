import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { RootHookObject } from 'mocha';
import { eventually } from './eventually.js';
import { RUN_VARIABLE, survivorsOf } from './survivors.mjs';
import { TEMP_PREFIX } from './temp-folder.js';

/** What a test starts it stops: the run fails when a process or a temp folder outlives it. */
export const mochaHooks: RootHookObject = {
  beforeAll() {
    // Every process that a test starts inherits this, and its descendants too.
    process.env[RUN_VARIABLE] ??= randomUUID();
  },
  async afterAll() {
    endsByItself();
    const run = process.env[RUN_VARIABLE] ?? '';
    await eventually(() => {
      const left = [
        ...survivorsOf(run).map(({ pid, command }) => `process ${pid}: ${command}`),
        ...readdirSync(tmpdir())
          .filter((name) => name.startsWith(TEMP_PREFIX))
          .map((name) => `folder ${tmpdir()}/${name}`),
      ];
      if (left.length > 0) throw new Error(`the tests left behind:\n${left.join('\n')}`);
    }, 2000);
  },
};

/** An open server or timer would keep mocha alive for ever. */
function endsByItself(): void {
  setTimeout(
    () => {
      const held = process.getActiveResourcesInfo().join(', ');
      console.error(`the test process does not end by itself; what holds it: ${held}`);
      // Mocha sets the exit code in an 'exit' listener of its own, which comes before this one.
      process.on('exit', () => (process.exitCode = 1));
      process.exit();
    },
    Number(process.env['DEPLOYER_TEST_END_MS'] ?? 15_000),
  ).unref();
}
