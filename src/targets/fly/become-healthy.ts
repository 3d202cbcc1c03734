import { waitStarted } from './wait-started.js';
import { waitUp } from './wait-up.js';
import type { Watch } from './watch.js';

/**
 * Waits until a machine's new version is up: started, every check passing, for so long without a break.
 * @param forMs 0: the first pass of its checks is enough, or its start without any
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function becomeHealthy(watch: Watch, forMs: number): Promise<void> {
  await waitStarted(watch);
  await waitUp(watch, forMs);
}
