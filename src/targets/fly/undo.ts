import type { Clock } from '../../lib/clock.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import type { ReleaseEvent, ReleaseIdentity } from '../target.js';
import { isPassing } from './api-error.js';
import { becomeHealthy } from './become-healthy.js';
import { definedChecks, isHealthy, markRun, whyDead, whyDown, type RunMark } from './health.js';
import { inParallel } from '../../lib/in-parallel.js';
import type { Leases } from './lease.js';
import { imageOf, isAsleep, type Machine, type MachineConfig } from './machine.js';
import { undoneConfig } from './machine-config.js';
import type { MachinesApi } from './machines-api.js';
import { METADATA, readReleaseMetadata } from './release-metadata.js';
import { steadyTimeOf } from './steadiness.js';
import { waitStarted } from './wait-started.js';
import { Watch } from './watch.js';
import { untilSteady, updateMachine } from './write-once.js';

/** A machine that a release has written to. */
export interface Touched {
  readonly id: string;
  /** As it was read, under the lease, before the write; undefined for a machine that the release created. */
  readonly before: Machine | undefined;
  /** Set once it has become healthy in the new release: what of it counts from then on. */
  healthy?: RunMark | undefined;
  /** Set once it is watched in the new release. */
  mark?: RunMark;
  /** Why it is down, as the undo found it; empty where it was not. */
  down?: string;
}

/** A machine that could not be put back. */
export interface Stuck {
  readonly id: string;
  readonly why: string;
  /** Its state and its last events, where they are known. */
  readonly evidence: readonly string[];
}

export interface UndoOptions {
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly leases: Leases;
  readonly report: (event: ReleaseEvent) => void;
  /** The release that is undone. */
  readonly release: ReleaseIdentity;
  /** How many serving machines may be taken out of service at once. */
  readonly width: number;
  readonly timeoutMs: number;
  readonly minHealthyMs: number | undefined;
}

/** Tries for what the API refuses, and the pause between two: it may be a conflict that passes. */
const MOST_TRIES = 3;
const RETRY_MS = 2_000;
/** How long a lease that was lost is tried for again: longer than one lives that nobody refreshes. */
const REGAIN_LEASE_MS = 20_000;
const MOST_AT_ONCE = 10;

/**
 * Puts back what was there on every machine that a release touched, newest first: those that serve nobody all at
 * once, those that serve in the release's own pace. Never interrupted, and one machine's failure holds up no other.
 */
export async function undo(touched: readonly Touched[], options: UndoOptions): Promise<readonly Stuck[]> {
  const stuck: Stuck[] = [];
  const newestFirst = [...touched].reverse();
  let done = 0;
  const never = new AbortController().signal;
  const undoOne = async (machine: Touched): Promise<void> => {
    try {
      await persistently(options, () => restore(machine, options, never));
      options.report({
        type: 'progress',
        message: `machine ${machine.id} is ${machine.before === undefined ? 'destroyed' : 'as before'}`,
        healthy: ++done,
        total: touched.length,
      });
    } catch (error) {
      const evidence = error instanceof DeployerError ? error.evidence : [];
      stuck.push({ id: machine.id, why: messageOf(error), evidence });
      options.report({
        type: 'log',
        level: 'warning',
        message: `machine ${machine.id} could not be put back: ${messageOf(error)}`,
      });
    }
  };
  const serving = newestFirst.filter(({ healthy }) => healthy !== undefined);
  const broken = newestFirst.filter(({ healthy }) => healthy === undefined);
  await inParallel(broken, MOST_AT_ONCE, never, undoOne);
  await inParallel(serving, options.width, never, undoOne);
  return stuck;
}

/**
 * An undo does not give up where a release would: faults that pass are waited out as long as a release would wait
 * for a machine, and a refusal is asked for again. What is repeated reads first, and does not do twice what was done.
 */
async function persistently(options: UndoOptions, work: () => Promise<void>): Promise<void> {
  const { clock, timeoutMs } = options;
  const giveUpAt = clock.now() + timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const again = isPassing(error)
        ? clock.now() < giveUpAt
        : error instanceof DeployerError && error.code === 'api_rejected' && attempt < MOST_TRIES;
      if (!again) throw error;
      await clock.sleep(RETRY_MS);
    }
  }
}

async function restore(touched: Touched, options: UndoOptions, signal: AbortSignal): Promise<void> {
  const { api } = options;
  const { id, before } = touched;
  const now = await api.getMachine(id);
  // Only before this undo has changed it does its state tell of the release.
  touched.down ??= (now && touched.mark && whyDown(now, touched.mark)) ?? '';
  if (before === undefined) {
    if (now !== undefined) await destroy(id, options, signal);
    return;
  }
  if (now === undefined) throw gone(id);
  // The write never arrived, or was refused. The lease sees to it that it won't arrive any more.
  if (now.instance_id && now.instance_id === before.instance_id) {
    // Whoever put it to sleep meanwhile was not this release.
    const mark = markRun(before, now);
    if (!isAsleep(now) || whyDown(now, mark) !== undefined) await isUpAgain(before, mark, 0, options, signal);
    return;
  }
  const launch = wasUp(before);
  const config = undoneConfig(before.config ?? {}, imageOf(before), options.release.version);
  const isBack = isPutBack(now, config);
  if (!isBack && readReleaseMetadata(now.config).id !== options.release.id) throw changedByOthers(now);
  const restored = isBack ? now : await putBack(now, config, launch, options, signal);
  if (!launch) return stayAsleep(restored, options, signal);
  const steadyMs = steadyTimeOf(definedChecks(config), options.minHealthyMs);
  await isUpAgain(before, markRun(now, restored), steadyMs, options, signal);
}

function wasUp(before: Machine): boolean {
  return !isAsleep(before) && before.state !== 'failed';
}

/**
 * Resolves when a machine is as well as it was: healthy for so long where it was healthy, started where it was
 * up. A machine is not asked for more than it gave.
 * @throws DeployerError `release_failed`, `timed_out`
 */
async function isUpAgain(
  before: Machine,
  mark: RunMark,
  steadyMs: number,
  options: UndoOptions,
  signal: AbortSignal,
): Promise<void> {
  if (!wasUp(before) || keptFalling(before)) return;
  const { api, clock } = options;
  const quiet = (): void => undefined;
  // As for a release: the time that its health has to last is none of what it has to come up.
  const timeoutMs = options.timeoutMs + (isHealthy(before) ? steadyMs : 0);
  const watch = new Watch({ api, clock, id: before.id, mark, timeoutMs, signal, tell: quiet, remind: quiet });
  await (isHealthy(before) ? becomeHealthy(watch, steadyMs) : waitStarted(watch));
}

/** It was read between two of its falls. */
function keptFalling(before: Machine): boolean {
  return before.state !== 'started' && whyDead(before, markRun(undefined, before)) !== undefined;
}

/** An earlier try has come so far already. */
function isPutBack(now: Machine, { image, metadata }: MachineConfig): boolean {
  const key = METADATA.rolledBack;
  return now.config?.image === image && now.config?.metadata?.[key] === metadata?.[key];
}

async function putBack(
  now: Machine,
  config: MachineConfig,
  launch: boolean,
  options: UndoOptions,
  signal: AbortSignal,
): Promise<Machine> {
  const { api, clock, leases } = options;
  await regainLease(now.id, options, signal);
  return updateMachine({ api, clock, signal }, now, { config, skipLaunch: !launch }, leases.nonce(now.id));
}

async function destroy(id: string, options: UndoOptions, signal: AbortSignal): Promise<void> {
  await regainLease(id, options, signal);
  await options.api.destroyMachine(id, options.leases.nonce(id));
  await options.leases.forget(id);
}

async function regainLease(id: string, { leases }: UndoOptions, signal: AbortSignal): Promise<void> {
  await leases.acquire(id, { waitMs: REGAIN_LEASE_MS, signal, tell: () => undefined });
}

/** `skip_launch` keeps a stopped machine stopped; one that had been started for the release has to be told. */
async function stayAsleep(restored: Machine, options: UndoOptions, signal: AbortSignal): Promise<void> {
  const { api, clock, leases } = options;
  const now = await untilSteady({ api, clock, signal }, restored);
  if (now.state === 'started' || now.state === 'starting')
    await api.stopMachine(now.id, leases.nonce(now.id));
}

/** Whoever took over the machine's lock has made it theirs: to put ours back would undo their deploy. */
function changedByOthers({ id, config }: Machine): DeployerError {
  const { version } = readReleaseMetadata(config);
  const by = version === undefined ? 'by someone else' : `by another deploy, to v${version}`;
  return new DeployerError('release_failed', `it was changed ${by} meanwhile, and is left so`, {
    evidence: [`machine ${id}`],
  });
}

function gone(id: string): DeployerError {
  return new DeployerError('release_failed', `machine ${id} does not exist any more`);
}
