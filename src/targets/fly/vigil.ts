import type { Clock } from '../../lib/clock.js';
import { formatDuration } from '../../lib/duration.js';
import { checksSummary, whyDead, type RunMark } from './health.js';
import { machineFailure } from './machine-failure.js';
import { isAsleep, type Machine } from './machine.js';
import type { MachinesApi } from './machines-api.js';
import { PassingFaults } from './passing-faults.js';
import { REMIND_MS } from './reminders.js';
import { Steadiness } from './steadiness.js';
import { within } from './within.js';

export interface VigilOptions {
  readonly api: MachinesApi;
  readonly clock: Clock;
  /** How long a machine may take to be up again. */
  readonly timeoutMs: number;
  /** Shows what is being waited for, when that has changed. */
  readonly tell: (message: string) => void;
  /** Says now and then that it is still being waited for: a line to keep. */
  readonly remind: (message: string) => void;
}

interface Watched {
  readonly id: string;
  readonly mark: RunMark;
  /** How long it has to be up without a break. */
  readonly steadyMs: number;
  readonly steadiness: Steadiness;
  /** As of the last look; undefined while it is not up. */
  upMs: number | undefined;
  last: Machine | undefined;
}

/** Between two looks: the API lists an app's machines once a second. */
const LOOK_MS = 1_100;
/** An API that never answers must not hold up what has a time of its own. */
const LONGEST_ANSWER_MS = 60_000;
const API_SILENT = 'waiting for the Machines API to answer';

/**
 * Keeps an eye on the machines that have become healthy while a release goes on: with one request for all of them,
 * so that their steady times pass side by side.
 */
export class Vigil {
  readonly #options: VigilOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #faults: PassingFaults;
  #lookedAt = -Infinity;
  #turn: Promise<void> = Promise.resolve();
  #machines: readonly Machine[] = [];
  #told = '';

  constructor(options: VigilOptions) {
    this.#options = options;
    this.#faults = new PassingFaults(options.clock);
  }

  /** A machine that has just become healthy. */
  add(id: string, mark: RunMark, steadyMs: number): void {
    const steadiness = new Steadiness(mark);
    this.#watched.set(id, { id, mark, steadyMs, steadiness, upMs: 0, last: undefined });
  }

  /** Whether it was up when it was looked at last. */
  isUp(id: string): boolean {
    return this.#watched.get(id)?.upMs !== undefined;
  }

  /**
   * Resolves when all are up, as of a second ago: time to change the next.
   * @throws DeployerError `release_failed` when one has died, `timed_out` when one has not come up again
   */
  async allUp(signal: AbortSignal): Promise<void> {
    const hold = (): Promise<void> => this.#hold(signal, LOOK_MS, ({ upMs }) => upMs !== undefined);
    // Who asked first goes on first: machines are changed in the plan's order.
    const held = this.#turn.then(hold);
    this.#turn = held.catch(() => undefined);
    await held;
  }

  /**
   * Resolves when each has been up for its time without a break, all at one and the same look.
   * @returns all machines of the app as they were at that look
   * @throws as `allUp`
   */
  async allSteady(signal: AbortSignal): Promise<readonly Machine[]> {
    await this.#hold(signal, 0, ({ upMs = -1, steadyMs }) => upMs >= steadyMs);
    return this.#machines;
  }

  async #hold(signal: AbortSignal, maxAgeMs: number, isDone: (watched: Watched) => boolean): Promise<void> {
    const { clock, timeoutMs, remind } = this.#options;
    if (this.#watched.size === 0 && maxAgeMs > 0) return;
    this.#told = '';
    const begun = clock.now();
    let remindedAt = begun;
    const giveUpAt = begun + longestOf([...this.#watched.values()]) + timeoutMs;
    for (let maxAge = maxAgeMs; ; maxAge = LOOK_MS) {
      if (clock.now() - this.#lookedAt >= maxAge || this.#lookedAt === -Infinity)
        await this.#lookAtAll(signal);
      const behind = [...this.#watched.values()].filter((watched) => !isDone(watched));
      if (behind.length === 0 && this.#faults.error === undefined) return;
      if (clock.now() >= giveUpAt) throw this.#timedOut(behind[0] ?? [...this.#watched.values()][0]);
      const waitsFor = this.#faults.error === undefined ? describe(behind) : API_SILENT;
      this.#tell(waitsFor);
      if (clock.now() - remindedAt >= REMIND_MS) {
        remindedAt = clock.now();
        const times = `${formatDuration(clock.now() - begun)} of ${formatDuration(giveUpAt - begun)}`;
        remind(`still waiting (${times}): ${this.#faults.sentence ?? waitsFor}`);
      }
      await clock.sleep(Math.max(1, this.#lookedAt + LOOK_MS - clock.now()), signal);
    }
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const { api, clock } = this.#options;
    this.#lookedAt = clock.now();
    const machines = await within(clock, LONGEST_ANSWER_MS, (end) =>
      this.#faults.ask(signal, () => api.until(end).listMachines(signal)),
    );
    if (machines === undefined) return;
    this.#machines = machines;
    for (const watched of this.#watched.values()) {
      const machine = machines.find(({ id }) => id === watched.id);
      watched.last = machine ?? watched.last;
      watched.upMs = undefined;
      const why = machine === undefined ? 'was destroyed by someone else' : whyDead(machine, watched.mark);
      if (why !== undefined || machine === undefined)
        throw this.#failed('release_failed', watched, why ?? '');
      const upMs = watched.steadiness.see(machine, this.#lookedAt);
      // One that the platform has put to sleep since it was healthy has not died.
      watched.upMs = isAsleep(machine) ? Infinity : upMs;
    }
  }

  #tell(message: string): void {
    if (message !== this.#told) this.#options.tell(message);
    this.#told = message;
  }

  #timedOut(watched: Watched | undefined): unknown {
    const { error, sentence } = this.#faults;
    if (watched === undefined) return error;
    const after = `timed out after ${formatDuration(this.#options.timeoutMs)}`;
    const why =
      sentence === undefined ? `${after} waiting for its checks to pass again` : `${after}: ${sentence}`;
    return this.#failed('timed_out', watched, why);
  }

  #failed(code: 'release_failed' | 'timed_out', { id, last, mark }: Watched, why: string): Error {
    const { app, advice } = this.#options.api;
    const failure = { code, app, id, why: `${why}, after it was up`, mark, advice };
    return machineFailure(failure, last, this.#faults.error);
  }
}

function longestOf(watched: readonly Watched[]): number {
  return Math.max(0, ...watched.map(({ steadyMs }) => steadyMs));
}

function describe(behind: readonly Watched[]): string {
  const down = behind.find(({ upMs }) => upMs === undefined);
  if (down === undefined) return `up: watching for ${formatDuration(longestOf(behind))} whether that lasts`;
  return `machine ${down.id}: ${down.last === undefined ? 'not known' : checksSummary(down.last)}`;
}
