import { checksPass, checksSummary, isStarted } from './health.js';
import type { Machine } from './machine.js';
import type { Watch } from './watch.js';

/**
 * Waits until every check of a started machine passes; a machine that exits meanwhile ends the wait.
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function waitChecks(watch: Watch): Promise<Machine> {
  let startedAt: number | undefined;
  for (;;) {
    const machine = await watch.look('its checks to pass');
    if (machine !== undefined) {
      startedAt = isStarted(machine, watch.mark) ? (startedAt ?? watch.clock.now()) : undefined;
      if (startedAt !== undefined && checksPass(machine, watch.mark, watch.clock.now() - startedAt))
        return machine;
      watch.tell(checksSummary(machine));
    }
    await watch.pause();
  }
}
