/**
 * One piece of work that several wait for. Who is called off stops waiting; when nobody waits any more, the work is
 * called off too.
 */
export class SharedWork<T> {
  readonly #controller = new AbortController();
  readonly #result: Promise<T>;
  #waiting = 0;
  #failed = false;
  #done = false;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#result = work(this.#controller.signal);
    this.#result.then(
      () => (this.#done = true),
      () => (this.#failed = true),
    );
  }

  /** It failed or was called off: it brings no result any more. */
  get over(): boolean {
    return this.#failed || this.#controller.signal.aborted;
  }

  /** The result; rejects with the signal's reason when that is aborted first. */
  async wait(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    this.#waiting += 1;
    let stop = (): void => undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(signal?.reason as Error);
    });
    signal?.addEventListener('abort', stop);
    try {
      return await Promise.race([this.#result, stopped]);
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#waiting -= 1;
      if (this.#waiting === 0 && !this.#done && !this.#failed) this.#controller.abort(signal?.reason);
    }
  }
}
