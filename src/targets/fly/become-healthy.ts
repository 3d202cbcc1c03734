import { waitChecks } from './wait-checks.js';
import { waitSettled } from './wait-settled.js';
import { waitStarted } from './wait-started.js';
import type { Watch } from './watch.js';

/**
 * Waits until a machine's new version is up: started, then its checks, or without any a while of staying started.
 * @param checks how many are defined
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function becomeHealthy(watch: Watch, checks: number): Promise<void> {
  await waitStarted(watch);
  if (checks > 0) await waitChecks(watch);
  else await waitSettled(watch);
}
