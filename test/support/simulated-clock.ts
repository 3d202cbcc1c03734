import type { Clock } from '../../src/lib/clock.js';

/** A clock that stands still until someone sleeps: then it is that much later, at once. */
export class SimulatedClock implements Clock {
  #now = Date.UTC(2026, 0, 1);

  now(): number {
    return this.#now;
  }

  /** Milliseconds since it was made. */
  get elapsed(): number {
    return this.#now - Date.UTC(2026, 0, 1);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#now += ms;
    return Promise.resolve();
  }
}
