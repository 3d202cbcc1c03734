import { exitsSince, isStarted } from './health.js';
import type { Machine } from './machine.js';
import type { Watch } from './watch.js';

/** A program that can't run mostly falls over in its first seconds. */
const SETTLE_MS = 10_000;

/**
 * For a machine without checks: waits until it has stayed started for ten seconds without a restart.
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function waitSettled(watch: Watch): Promise<Machine> {
  let startedAt: number | undefined;
  let restarts = 0;
  for (;;) {
    const machine = await watch.look('it to stay started');
    if (machine !== undefined) {
      const exits = exitsSince(machine, watch.mark).length;
      if (!isStarted(machine, watch.mark) || exits > restarts) startedAt = undefined;
      restarts = exits;
      if (isStarted(machine, watch.mark)) startedAt ??= watch.clock.now();
      if (startedAt !== undefined && watch.clock.now() - startedAt >= SETTLE_MS) return machine;
      watch.tell('started; no checks are defined: watching whether it stays up');
    }
    await watch.pause();
  }
}
