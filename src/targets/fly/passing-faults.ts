import type { Clock } from '../../lib/clock.js';
import { formatDuration } from '../../lib/duration.js';
import type { DeployerError } from '../../lib/errors.js';
import { isPassing } from './api-error.js';

/** The API's passing faults (429, 5xx, a broken connection) while machines are watched: no news of the machines. */
export class PassingFaults {
  readonly #clock: Clock;
  #current: { readonly error: DeployerError; readonly since: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The fault that keeps the API from answering at the moment. */
  get error(): DeployerError | undefined {
    return this.#current?.error;
  }

  /** `the API has not answered for 2m: connection refused`; undefined while it answers */
  get sentence(): string | undefined {
    if (this.#current === undefined) return undefined;
    const { error, since } = this.#current;
    return `the Machines API has not answered for ${formatDuration(this.#clock.now() - since)}: ${error.message}`;
  }

  /** @returns undefined when the API has no answer at the moment; throws what will not pass by itself */
  async ask<Answer>(signal: AbortSignal, question: () => Promise<Answer>): Promise<Answer | undefined> {
    const asked = this.#clock.now();
    try {
      const answer = await question();
      this.#current = undefined;
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      // The first cause is kept: what follows from it says less.
      this.#current ??= { error, since: asked };
      return undefined;
    }
  }
}
