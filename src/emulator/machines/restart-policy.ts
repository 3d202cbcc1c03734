import type { Exit } from './machine.js';
import type { MachineConfig } from './machine-config.js';

/** Fly's default for on-failure. */
const DEFAULT_MAX_RETRIES = 10;
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 15_000;

/**
 * Whether a machine whose process ended by itself is started again: `no` never, `always` always, `on-failure`
 * (the default) after an exit code other than 0 or an OOM kill, at most `max_retries` times since it was last
 * started by hand.
 * @param restarts how often that has happened already
 */
export function shouldRestart(policy: MachineConfig['restart'], exit: Exit, restarts: number): boolean {
  switch (policy?.policy ?? 'on-failure') {
    case 'no':
      return false;
    case 'always':
      return true;
    default:
      return (
        (exit.exitCode !== 0 || exit.oomKilled) && restarts < (policy?.max_retries ?? DEFAULT_MAX_RETRIES)
      );
  }
}

/** Milliseconds to wait before the n-th restart (from 1): 1 s, doubling, at most 15 s. */
export function restartDelayMs(nth: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(nth - 1, 10));
}
