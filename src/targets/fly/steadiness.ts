import { checksPass, exitsSince, isStarted, type RunMark } from './health.js';
import type { Machine } from './machine.js';

/**
 * How long a machine has to be up without a break before it is called healthy. One pass proves little: a program
 * that reaches for its database late dies seconds after it has answered its first check.
 */
const WITH_CHECKS_MS = 5_000;
/** Without a check that answers for it. A program that can't run mostly falls over in its first seconds. */
const WITHOUT_CHECKS_MS = 10_000;

/**
 * @param checks how many are defined
 * @param wanted the file's `[deploy] min_healthy_time`
 * @returns milliseconds
 */
export function steadyTimeOf(checks: number, wanted: number | undefined): number {
  return wanted ?? (checks > 0 ? WITH_CHECKS_MS : WITHOUT_CHECKS_MS);
}

/** How long one machine's new version has been up without a break: started, every check passing, no exit. */
export class Steadiness {
  readonly #mark: RunMark;
  #startedAt: number | undefined;
  #upSince: number | undefined;
  #exits = 0;

  constructor(mark: RunMark) {
    this.#mark = mark;
  }

  /**
   * Takes a look into account.
   * @returns the milliseconds for which it has been up; undefined while it is not
   */
  see(machine: Machine, now: number): number | undefined {
    const exits = exitsSince(machine, this.#mark).length;
    // Between two looks it may have died and come back.
    if (exits > this.#exits || !isStarted(machine, this.#mark)) this.#startedAt = this.#upSince = undefined;
    this.#exits = exits;
    if (!isStarted(machine, this.#mark)) return undefined;
    this.#startedAt ??= now;
    if (!checksPass(machine, this.#mark, now - this.#startedAt)) {
      this.#upSince = undefined;
      return undefined;
    }
    this.#upSince ??= now;
    return now - this.#upSince;
  }
}
