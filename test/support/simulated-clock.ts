import type { Clock } from '../../src/lib/clock.js';

/** A clock on which sleeping takes no time: it moves on at once, and keeps what was slept. */
export class SimulatedClock implements Clock {
  /** The pauses so far, in milliseconds. */
  readonly slept: number[] = [];
  #now: number;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.#now += ms;
    return Promise.resolve();
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}
