import type { Clock } from '../../lib/clock.js';

export interface Rate {
  readonly perSecond: number;
  /** How many may come at once after a pause. */
  readonly burst: number;
}

/** Fly's published limits: every action, for each machine or app it is done to. */
export const ACTION_RATE: Rate = { perSecond: 1, burst: 3 };
/** Reading one machine is allowed more often. */
export const GET_MACHINE_RATE: Rate = { perSecond: 5, burst: 10 };

/** So many buckets, and the ones that are full again are forgotten. */
const SWEEP_AT = 4096;

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Token buckets, one a key. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  #sweepAt = SWEEP_AT;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes one token from the key's bucket; false when there is none: the answer is 429. */
  take(key: string, rate: Rate): boolean {
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: rate.burst, filledAtMs: now };
    const gained = ((now - bucket.filledAtMs) / 1000) * rate.perSecond;
    bucket.tokens = Math.min(rate.burst, bucket.tokens + gained);
    bucket.filledAtMs = now;
    const allowed = bucket.tokens >= 1;
    if (allowed) bucket.tokens -= 1;
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#sweepAt) this.#forgetIdle(now);
    return allowed;
  }

  // The slowest bucket is full again after burst / perSecond, well within a minute.
  #forgetIdle(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (now - bucket.filledAtMs > 60_000) this.#buckets.delete(key);
    }
    // Where few could be forgotten, the next sweep waits for as many again.
    this.#sweepAt = Math.max(SWEEP_AT, this.#buckets.size * 2);
  }
}
