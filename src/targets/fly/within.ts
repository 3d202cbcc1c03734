import type { Clock } from '../../lib/clock.js';
import { withDeadline } from '../../lib/deadline.js';
import { formatDuration } from '../../lib/duration.js';
import { DeployerError } from '../../lib/errors.js';

/**
 * Gives what the API is asked a signal that ends it when its time is over.
 * @throws what the work throws; the signal's reason is `connection_timed_out`, a fault that may pass
 */
export function within<Result>(
  clock: Clock,
  ms: number,
  work: (end: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = (): DeployerError =>
    new DeployerError('connection_timed_out', `no answer within ${formatDuration(ms)}`);
  return withDeadline({ clock, ms, late }, work);
}
