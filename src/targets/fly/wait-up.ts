import { checksSummary, definedChecks } from './health.js';
import type { Machine } from './machine.js';
import { Steadiness } from './steadiness.js';
import type { Watch } from './watch.js';

/**
 * Waits until a started machine has been up for so long without a break; 0: until every check has passed once.
 * A machine that dies meanwhile ends the wait.
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function waitUp(watch: Watch, forMs: number): Promise<void> {
  const steadiness = new Steadiness(watch.mark);
  for (;;) {
    const machine = await watch.look('its checks to pass');
    if (machine !== undefined) {
      const upMs = steadiness.see(machine, watch.clock.now());
      if (upMs !== undefined && upMs >= forMs) return;
      watch.tell(upMs === undefined ? checksSummary(machine) : stillUp(machine));
    }
    await watch.pause();
  }
}

function stillUp(machine: Machine): string {
  return definedChecks(machine.config) > 0
    ? 'its checks pass: watching whether that lasts'
    : 'started; no checks are defined: watching whether it stays up';
}
