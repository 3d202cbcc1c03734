import type { Clock } from '../../lib/clock.js';

export interface Rate {
  /** Milliseconds between two requests in the long run. */
  readonly intervalMs: number;
  /** Requests that may follow each other at once. */
  readonly burst: number;
}

/**
 * The Machines API's limits for one action on one machine, or on one app: 1 a second in bursts of 3, and 5 a second
 * in bursts of 10 for reading a machine. A tenth slower here: requests arrive closer together than they were sent
 * when one was slow on its way and the next is not.
 */
export const RATE = {
  action: { intervalMs: 1100, burst: 3 },
  getMachine: { intervalMs: 220, burst: 10 },
} as const satisfies Record<string, Rate>;

/**
 * A token bucket for each key, so that the API's 429 stays the exception. A place is taken the moment it is
 * asked for (GCRA: the bucket is the time at which it will be full again), so that callers are served in order.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #fullAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits until one more request of this key is within its rate; rejects with the signal's reason. */
  async take(key: string, rate: Rate, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const fullAt = Math.max(now, this.#fullAt.get(key) ?? 0) + rate.intervalMs;
    this.#fullAt.set(key, fullAt);
    const early = fullAt - rate.burst * rate.intervalMs - now;
    if (early > 0) await this.#clock.sleep(early, signal);
    else signal?.throwIfAborted();
  }
}
