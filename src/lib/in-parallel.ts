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
