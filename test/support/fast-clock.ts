import type { Clock } from '../../src/lib/clock.js';
import { systemClock } from '../../src/lib/clock.js';

/**
 * A clock that runs `speed` times as fast as the wall's. Real servers and their clients that share one live
 * through minutes in seconds, and meet each other's timings as they would in earnest.
 */
export function fastClock(speed: number): Clock {
  const start = Date.now();
  const from = performance.now();
  return {
    now: () => start + Math.floor((performance.now() - from) * speed),
    sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
  };
}
