import type { Clock } from '../../lib/clock.js';
import { formatDuration } from '../../lib/duration.js';

/** So often a wait says that it goes on. */
export const REMIND_MS = 30_000;

/**
 * Says now and then, while work is under way, that it still is.
 * @param say told for how long: `1m30s`
 * @throws what the work throws
 */
export async function reminding<Result>(
  clock: Clock,
  say: (after: string) => void,
  work: () => Promise<Result>,
): Promise<Result> {
  const ended = new AbortController();
  void remindUntil(clock, ended.signal, say);
  try {
    return await work();
  } finally {
    ended.abort();
  }
}

async function remindUntil(clock: Clock, end: AbortSignal, say: (after: string) => void): Promise<void> {
  const begun = clock.now();
  try {
    for (;;) {
      await clock.sleep(REMIND_MS, end);
      say(formatDuration(clock.now() - begun));
    }
  } catch {
    // The work has ended.
  }
}
