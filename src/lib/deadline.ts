/**
 * Ends an operation that takes longer than it may: its signal is aborted by the caller's own, or with `late()` when
 * the time is over. To be disposed of when the operation has ended: no timer is left behind.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #follow = (): void => this.#controller.abort(this.#outer?.reason);

  /** @param late what is thrown then; it says what was waited for */
  constructor(ms: number, late: () => Error, outer?: AbortSignal) {
    this.#timer = setTimeout(() => this.#controller.abort(late()), ms);
    this.#outer = outer;
    if (outer?.aborted === true) this.#follow();
    outer?.addEventListener('abort', this.#follow);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#follow);
  }
}
