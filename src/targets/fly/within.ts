import type { Clock } from '../../lib/clock.js';
import { formatDuration } from '../../lib/duration.js';
import { DeployerError } from '../../lib/errors.js';

/**
 * Gives work a signal that ends what it has under way when its time is over.
 * @throws what the work throws; the signal's reason is `connection_timed_out`, a fault that may pass
 */
export async function within<Result>(
  clock: Clock,
  ms: number,
  work: (end: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const end = new AbortController();
  const done = new AbortController();
  void clock.sleep(ms, done.signal).then(
    () => end.abort(new DeployerError('connection_timed_out', `no answer within ${formatDuration(ms)}`)),
    () => undefined,
  );
  try {
    return await work(end.signal);
  } finally {
    done.abort();
  }
}
