import { systemClock, type Clock } from './clock.js';

export interface Deadline {
  readonly ms: number;
  /** What the work is ended with then; it says what was waited for. */
  readonly late: () => Error;
  /** Of the caller, whose end is the work's end too. */
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
}

/**
 * Gives work a signal that ends it when it takes longer than it may. No timer is left behind.
 * @throws what the work throws, of which the signal's reason is one
 */
export async function withDeadline<Result>(
  { ms, late, signal, clock = systemClock }: Deadline,
  work: (end: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const end = new AbortController();
  const done = new AbortController();
  const follow = (): void => end.abort(signal?.reason);
  if (signal?.aborted === true) follow();
  // Not AbortSignal.any: a signal that lives as long as the program would collect one for every question.
  signal?.addEventListener('abort', follow, { signal: done.signal });
  void clock.sleep(ms, done.signal).then(
    () => end.abort(late()),
    () => undefined,
  );
  try {
    return await work(end.signal);
  } finally {
    done.abort();
  }
}
