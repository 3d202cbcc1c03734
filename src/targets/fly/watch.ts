import type { Clock } from '../../lib/clock.js';
import { formatDuration } from '../../lib/duration.js';
import type { DeployerError } from '../../lib/errors.js';
import { whyDead, whyStopped, type RunMark } from './health.js';
import { machineFailure } from './machine-failure.js';
import type { Machine } from './machine.js';
import type { MachinesApi, WaitResult } from './machines-api.js';
import { PassingFaults } from './passing-faults.js';
import { REMIND_MS, reminding } from './reminders.js';
import { within } from './within.js';

export interface WatchOptions {
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly id: string;
  readonly mark: RunMark;
  /** For all that is waited for on this machine together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Shows what is being waited for, when that has changed. */
  readonly tell: (message: string) => void;
  /** Says now and then that it is still being waited for: a line to keep. */
  readonly remind: (message: string) => void;
}

/** How long the API may not know a machine that it has just created. */
const UNKNOWN_FOR_MS = 15_000;
const POLL_MS = 500;
/** So long after its time is over an answer is still waited for. */
const LAST_ANSWER_MS = 10_000;

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
  readonly #options: WatchOptions;
  readonly #startedAt: number;
  readonly #faults: PassingFaults;
  #told = '';
  #remindedAt: number;
  #last: Machine | undefined;

  constructor(options: WatchOptions) {
    this.api = options.api;
    this.clock = options.clock;
    this.id = options.id;
    this.mark = options.mark;
    this.signal = options.signal;
    this.#options = options;
    this.#startedAt = this.#remindedAt = options.clock.now();
    this.#faults = new PassingFaults(options.clock);
  }

  /** The machine as it was seen last. */
  get last(): Machine | undefined {
    return this.#last;
  }

  get remainingMs(): number {
    return this.#startedAt + this.#options.timeoutMs - this.clock.now();
  }

  /** Shows what is being waited for: once, and again after a while in which nothing else was told. */
  tell(message: string): void {
    const said = this.#faults.sentence ?? message;
    if (said !== this.#told) this.#options.tell(said);
    this.#told = said;
    this.#remind();
  }

  /** Says what is still waited for, unless it has been said a moment ago. */
  #remind(): void {
    const now = this.clock.now();
    if (now - this.#remindedAt < REMIND_MS) return;
    this.#remindedAt = now;
    const times = `${formatDuration(this.#watchedMs)} of ${formatDuration(this.#options.timeoutMs)}`;
    const waitsFor = this.#faults.sentence ?? (this.#told || 'waiting for the Machines API to answer');
    this.#options.remind(`still waiting (${times}): ${waitsFor}`);
  }

  /**
   * The machine as it is now; undefined when the API has no answer at the moment.
   * @throws DeployerError `release_failed` when the machine will not become healthy any more, `timed_out`
   */
  async look(what: string): Promise<Machine | undefined> {
    const machine = await this.#ask(this.remainingMs, (api) => api.getMachine(this.id, this.signal));
    if (machine !== undefined) {
      this.#last = machine;
      const why = whyDead(machine, this.mark) ?? whyStopped(machine, this.mark);
      if (why !== undefined) throw this.#failed('release_failed', why);
    } else if (
      this.#faults.error === undefined &&
      (this.#last !== undefined || this.#watchedMs > UNKNOWN_FOR_MS)
    ) {
      throw this.#failed('release_failed', 'is not known to the API: it was destroyed, or never came to be');
    }
    if (this.remainingMs <= 0) throw this.#timedOut(what);
    if (this.#faults.error !== undefined) this.#remind();
    return machine;
  }

  /** A long poll for one of the states; a fault or a machine not known yet counts as not reached. */
  async longPoll(states: readonly string[], longestMs: number): Promise<WaitResult> {
    const timeoutMs = Math.min(longestMs, Math.max(this.remainingMs, 0));
    const until = { states, version: this.mark.version, timeoutMs };
    const waited = await this.#ask(timeoutMs, (api) => api.wait(this.id, until, this.signal));
    return waited ?? 'not-yet';
  }

  /** An API that never answers must not hold up what has a time of its own. */
  #ask<Answer>(forMs: number, question: (api: MachinesApi) => Promise<Answer>): Promise<Answer | undefined> {
    const longestMs = Math.max(0, forMs) + LAST_ANSWER_MS;
    return within(this.clock, longestMs, (end) =>
      reminding(
        this.clock,
        () => this.#remind(),
        () => this.#faults.ask(this.signal, () => question(this.api.until(end))),
      ),
    );
  }

  /** The pause between two looks. */
  async pause(): Promise<void> {
    await this.clock.sleep(Math.max(1, Math.min(POLL_MS, this.remainingMs)), this.signal);
  }

  get #watchedMs(): number {
    return this.clock.now() - this.#startedAt;
  }

  #timedOut(what: string): DeployerError {
    const after = `timed out after ${formatDuration(this.#options.timeoutMs)}`;
    // Who gets no answer knows nothing of the machine: that is the cause, not what was waited for.
    const { sentence } = this.#faults;
    return this.#failed(
      'timed_out',
      sentence === undefined ? `${after} waiting for ${what}` : `${after}: ${sentence}`,
    );
  }

  #failed(code: 'release_failed' | 'timed_out', why: string): DeployerError {
    const { app, advice } = this.api;
    const error = { code, app, id: this.id, why, mark: this.mark, advice };
    return machineFailure(error, this.#last, this.#faults.error);
  }
}
