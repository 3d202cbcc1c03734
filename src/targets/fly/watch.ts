import type { Clock } from '../../lib/clock.js';
import { formatDuration } from '../../lib/duration.js';
import type { DeployerError } from '../../lib/errors.js';
import { isPassing } from './api-error.js';
import { whyDead, whyStopped, type RunMark } from './health.js';
import { machineFailure } from './machine-failure.js';
import type { Machine } from './machine.js';
import type { MachinesApi, WaitResult } from './machines-api.js';

export interface WatchOptions {
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly id: string;
  readonly mark: RunMark;
  /** For all that is waited for on this machine together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Shows what is being waited for. */
  readonly tell: (message: string) => void;
}

/** How long the API may not know a machine that it has just created. */
const UNKNOWN_FOR_MS = 15_000;
const POLL_MS = 500;

/**
 * One machine, watched until a deadline. The API's passing faults (429, 5xx, a broken connection) are no news
 * of the machine: they are waited out, and told of when time runs out.
 */
export class Watch {
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly id: string;
  readonly mark: RunMark;
  readonly signal: AbortSignal;
  readonly tell: (message: string) => void;
  readonly #timeoutMs: number;
  readonly #startedAt: number;
  #lastFault: DeployerError | undefined;
  #last: Machine | undefined;

  constructor(options: WatchOptions) {
    this.api = options.api;
    this.clock = options.clock;
    this.id = options.id;
    this.mark = options.mark;
    this.signal = options.signal;
    this.tell = options.tell;
    this.#timeoutMs = options.timeoutMs;
    this.#startedAt = options.clock.now();
  }

  get remainingMs(): number {
    return this.#startedAt + this.#timeoutMs - this.clock.now();
  }

  /**
   * The machine as it is now; undefined when the API has no answer at the moment.
   * @throws DeployerError `release_failed` when the machine will not become healthy any more, `timed_out`
   */
  async look(what: string): Promise<Machine | undefined> {
    const machine = await this.#despiteFaults(() => this.api.getMachine(this.id, this.signal));
    if (machine !== undefined) {
      this.#last = machine;
      const why = whyDead(machine, this.mark) ?? whyStopped(machine, this.mark);
      if (why !== undefined) throw this.#failed('release_failed', why);
    } else if (
      this.#lastFault === undefined &&
      (this.#last !== undefined || this.#watchedMs > UNKNOWN_FOR_MS)
    ) {
      throw this.#failed('release_failed', 'is not known to the API: it was destroyed, or never came to be');
    }
    if (this.remainingMs <= 0) throw this.#timedOut(what);
    return machine;
  }

  /** A long poll for one of the states; a fault or a machine not known yet counts as not reached. */
  async longPoll(states: readonly string[], longestMs: number): Promise<WaitResult> {
    const timeoutMs = Math.min(longestMs, Math.max(this.remainingMs, 0));
    const until = { states, version: this.mark.version, timeoutMs };
    return (await this.#despiteFaults(() => this.api.wait(this.id, until, this.signal))) ?? 'not-yet';
  }

  /** The pause between two looks. */
  async pause(): Promise<void> {
    await this.clock.sleep(Math.max(1, Math.min(POLL_MS, this.remainingMs)), this.signal);
  }

  get #watchedMs(): number {
    return this.clock.now() - this.#startedAt;
  }

  async #despiteFaults<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
    try {
      const answer = await ask();
      this.#lastFault = undefined;
      return answer;
    } catch (error) {
      this.signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      this.#lastFault = error;
      return undefined;
    }
  }

  #timedOut(what: string): DeployerError {
    return this.#failed(
      'timed_out',
      `timed out after ${formatDuration(this.#timeoutMs)} waiting for ${what}`,
    );
  }

  #failed(code: 'release_failed' | 'timed_out', why: string): DeployerError {
    const error = { code, app: this.api.app, id: this.id, why };
    return machineFailure(error, this.#last, this.#lastFault);
  }
}
