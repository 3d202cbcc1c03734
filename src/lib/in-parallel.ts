/**
 * Runs the jobs in order, at most `width` at a time. The first failure aborts the others' signal and starts no
 * more; it is thrown once all that run have ended, so that nothing goes on behind the caller's back.
 */
export async function inParallel<Job>(
  jobs: readonly Job[],
  width: number,
  signal: AbortSignal,
  run: (job: Job, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const failures: unknown[] = [];
  const waiting = [...jobs];
  const worker = async (): Promise<void> => {
    // A job that is taken is run: what is left in the queue is what was not begun.
    while (!either.aborted && waiting.length > 0) {
      const job = waiting.shift() as Job;
      try {
        await run(job, either);
      } catch (error) {
        failures.push(error);
        failed.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, jobs.length) }, worker));
  if (failures.length > 0) throw failures[0];
  if (waiting.length > 0) signal.throwIfAborted();
}

/** What `work` makes of each item, in their order, `width` of them at a time. The first failure ends it. */
export async function mapInParallel<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = new Array<Result>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await work(items[at] as Item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
