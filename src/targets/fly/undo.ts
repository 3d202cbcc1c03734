import type { Clock } from '../../lib/clock.js';
import { formatDuration, parseDuration } from '../../lib/duration.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { inParallel } from '../../lib/in-parallel.js';
import type { ReleaseEvent } from '../target.js';
import { isPassing, isRejected } from './api-error.js';
import { markRun } from './health.js';
import type { Machine } from './machine.js';
import { machineFailure } from './machine-failure.js';
import { reminding } from './reminders.js';
import { isStillUp, restore, upAgain, type Restored, type RestoreOptions } from './restore.js';
import type { Touched } from './touched.js';
import { within } from './within.js';

/** A machine that could not be put back. */
export interface Stuck {
  readonly id: string;
  readonly why: string;
  /** Its state and its last events, where they are known. */
  readonly evidence: readonly string[];
}

export interface UndoOptions extends Omit<RestoreOptions, 'signal' | 'tell' | 'remind'> {
  readonly report: (event: ReleaseEvent) => void;
  /** How many serving machines may be taken out of service at once. */
  readonly width: number;
}

type Work = (show: (message: string) => void) => Promise<void>;

/** Tries for what the API refuses, and the pause between two: it may be a conflict that passes. */
const MOST_TRIES = 3;
const RETRY_MS = 2_000;
/** What giving a machine its old version may take at least, and on top of what its process may take to end. */
const LEAST_MS = 30_000;
const STOP_MS = 5_000;
const MOST_AT_ONCE = 10;

/**
 * Puts back what was there on every machine that a release touched, newest first: those that serve nobody all at
 * once, those that serve in the release's own pace; and looks at all of them once more at the end. Never interrupted,
 * and one machine's failure holds up no other; none takes longer than its time.
 */
export async function undo(touched: readonly Touched[], options: UndoOptions): Promise<readonly Stuck[]> {
  const stuck: Stuck[] = [];
  const back: Restored[] = [];
  let done = 0;
  const never = new AbortController().signal;
  const progress = (message: string): void =>
    options.report({ type: 'progress', message, healthy: done, total: touched.length });
  const attempt = async (id: string, failure: string, success: string, work: Work): Promise<void> => {
    try {
      await work((message) => progress(`machine ${id}: ${message}`));
      done += 1;
      progress(`machine ${id} is ${success}`);
    } catch (error) {
      const why = messageOf(error);
      stuck.push({ id, why, evidence: error instanceof DeployerError ? error.evidence : [] });
      options.report({ type: 'log', level: 'warning', message: `machine ${id} ${failure}: ${why}` });
    }
  };
  const undoOne = (machine: Touched): Promise<void> => {
    const success = machine.before === undefined ? 'destroyed' : 'as before';
    return attempt(machine.id, 'could not be put back', success, async (show) => {
      const restored = await putBackInTime(machine, options, show);
      if (restored !== undefined) back.push(restored);
    });
  };
  const seeAgain = (restored: Restored): Promise<void> => {
    done -= 1;
    const work: Work = (show) => comeUp(restored, options, show);
    return attempt(restored.before.id, 'is not as before any more', 'as before', work);
  };
  const newestFirst = [...touched].reverse();
  const serving = newestFirst.filter(({ healthy }) => healthy !== undefined);
  const broken = newestFirst.filter(({ healthy }) => healthy === undefined);
  await inParallel(broken, MOST_AT_ONCE, never, undoOne);
  await inParallel(serving, options.width, never, undoOne);
  // One alone has just been seen.
  if (touched.length > 1 && back.length > 0)
    await inParallel(await fallenSince(back, options), MOST_AT_ONCE, never, seeAgain);
  return stuck;
}

/** What was put back first can have died by the time that the last one was: one look at all of them. */
async function fallenSince(back: readonly Restored[], options: UndoOptions): Promise<readonly Restored[]> {
  const { api, clock, report, timeoutMs } = options;
  const giveUpAt = clock.now() + timeoutMs;
  try {
    const machines = await within(clock, timeoutMs + LEAST_MS, (signal) =>
      persistently({ clock, giveUpAt, signal }, () => api.until(signal).listMachines(signal)),
    );
    return back.filter((restored) => {
      const now = machines.find(({ id }) => id === restored.before.id);
      return !isStillUp(restored, now);
    });
  } catch (error) {
    // Each of them was seen to be up.
    const message = `whether all machines are up at the same time is not known: ${messageOf(error)}`;
    report({ type: 'log', level: 'warning', message });
    return [];
  }
}

/** First it gets its old version, then it has to come up with it: each has a time of its own. */
async function putBackInTime(
  touched: Touched,
  options: UndoOptions,
  show: (message: string) => void,
): Promise<Restored | undefined> {
  const restored = await givenBack(touched, options, show, reminder(touched.id, options));
  if (restored !== undefined) await comeUp(restored, options, show);
  return restored;
}

async function comeUp(
  restored: Restored,
  options: UndoOptions,
  tell: (message: string) => void,
): Promise<void> {
  const { clock, timeoutMs } = options;
  const { signal } = new AbortController();
  const watching = { ...options, signal, tell, remind: reminder(restored.before.id, options) };
  const persistence = { clock, giveUpAt: clock.now() + timeoutMs, signal };
  await persistently(persistence, () => upAgain(restored, watching));
}

function reminder(id: string, { report }: UndoOptions): (message: string) => void {
  return (message) => report({ type: 'log', level: 'info', message: `machine ${id}: ${message}` });
}

/** @throws DeployerError `timed_out` when the API, or the machine, leaves it no time */
async function givenBack(
  touched: Touched,
  options: UndoOptions,
  show: (message: string) => void,
  remind: (message: string) => void,
): Promise<Restored | undefined> {
  const { api, clock } = options;
  const triedMs = Math.max(options.timeoutMs, LEAST_MS);
  const giveUpAt = clock.now() + triedMs;
  const limitMs = triedMs + stopTimeOf(touched.before);
  let doing = 'waiting for the Machines API to answer';
  const tell = (message: string): void => {
    doing = message;
    show(message);
  };
  const sayAgain = (after: string): void => remind(`still ${doing} (${after} of ${formatDuration(limitMs)})`);
  return within(clock, limitMs, async (signal) => {
    const bounded = { ...options, api: api.until(signal), signal, tell, remind };
    const restoring = (): Promise<Restored | undefined> => restore(touched, bounded);
    try {
      return await reminding(clock, sayAgain, () => persistently({ clock, giveUpAt, signal }, restoring));
    } catch (error) {
      throw signal.aborted ? tooLate(touched, api, `${formatDuration(limitMs)} ${doing}`, error) : error;
    }
  });
}

function tooLate(
  { id, mark, before, last }: Touched,
  { app, advice }: UndoOptions['api'],
  after: string,
  cause: unknown,
): DeployerError {
  const why = `timed out after ${after}`;
  const seen = mark ?? markRun(before, last ?? before ?? { id, state: 'unknown' });
  const fault = cause instanceof DeployerError ? cause : undefined;
  return machineFailure({ code: 'timed_out', app, id, why, mark: seen, advice }, last, fault);
}

/** How long the platform gives a machine's process to end before it kills it, in milliseconds. */
function stopTimeOf(machine: Machine | undefined): number {
  const asked = machine?.config?.stop_config;
  const timeout: unknown =
    asked && typeof asked === 'object' && 'timeout' in asked ? asked.timeout : undefined;
  try {
    return Math.max(STOP_MS, typeof timeout === 'string' ? parseDuration(timeout, 'stop_config.timeout') : 0);
  } catch {
    // Spelled by another program in a way that only the platform reads.
    return STOP_MS;
  }
}

interface Persistence {
  readonly clock: Clock;
  readonly giveUpAt: number;
  readonly signal: AbortSignal;
}

/**
 * An undo does not give up where a release would: faults that pass are waited out as long as a release would wait
 * for a machine, and a refusal is asked for again. What is repeated reads first, and does not do twice what was done.
 */
async function persistently<Result>(
  { clock, giveUpAt, signal }: Persistence,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const again = isPassing(error) ? clock.now() < giveUpAt : isRejected(error) && attempt < MOST_TRIES;
      if (!again || signal.aborted) throw error;
      await clock.sleep(RETRY_MS, signal);
    }
  }
}
