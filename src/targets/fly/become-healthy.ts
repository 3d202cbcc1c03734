import { waitChecks } from './wait-checks.js';
import { waitSettled } from './wait-settled.js';
import { waitStarted } from './wait-started.js';
import type { Watch } from './watch.js';

/**
 * Waits until a machine's new version is up: started, then its checks, or without any a while of staying started.
 * @param proof how many checks are defined, or that being started says enough
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function becomeHealthy(watch: Watch, proof: number | 'started-is-enough'): Promise<void> {
  await waitStarted(watch);
  if (proof === 'started-is-enough') return;
  if (proof > 0) await waitChecks(watch);
  else await waitSettled(watch);
}
