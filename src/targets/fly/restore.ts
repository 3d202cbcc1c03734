import type { Clock } from '../../lib/clock.js';
import { DeployerError } from '../../lib/errors.js';
import type { ReleaseIdentity } from '../target.js';
import { becomeHealthy } from './become-healthy.js';
import { definedChecks, isHealthy, isStarted, markRun, whyDead, whyDown, type RunMark } from './health.js';
import type { Leases } from './lease.js';
import { imageOf, isAsleep, isInPassing, type Machine, type MachineConfig } from './machine.js';
import { undoneConfig } from './machine-config.js';
import type { MachinesApi } from './machines-api.js';
import { METADATA, readReleaseMetadata } from './release-metadata.js';
import { steadyTimeOf } from './steadiness.js';
import type { Touched } from './touched.js';
import { waitStarted } from './wait-started.js';
import { Watch } from './watch.js';
import { steadyAfter, untilSteady, updateMachine } from './write-once.js';

/** How one machine is put back. */
export interface RestoreOptions {
  /** Its requests end with the signal. */
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly leases: Leases;
  /** The release that is undone. */
  readonly release: ReleaseIdentity;
  /** How long it may take to come up. */
  readonly timeoutMs: number;
  readonly minHealthyMs: number | undefined;
  readonly signal: AbortSignal;
  /** Shows what is being done, or waited for, when that has changed. */
  readonly tell: (message: string) => void;
  /** Says now and then that it is still being waited for. */
  readonly remind: (message: string) => void;
}

/** A machine that has its old version again, and has to come up with it. */
export interface Restored {
  readonly before: Machine;
  readonly mark: RunMark;
  /** How long its health has to last. */
  readonly steadyMs: number;
}

/** How long a lease that was lost is tried for again: longer than one lives that nobody refreshes. */
const REGAIN_LEASE_MS = 20_000;

/**
 * Gives a machine what it had before a release, or destroys one that the release created. To repeat it does no harm.
 * @returns undefined when nothing has to come up
 * @throws DeployerError `release_failed` for a machine that is gone or is no longer ours; `api_*`
 */
export async function restore(touched: Touched, options: RestoreOptions): Promise<Restored | undefined> {
  const { api } = options;
  const { id, before } = touched;
  const now = await api.getMachine(id);
  touched.last = now ?? touched.last;
  // Only before this undo has changed it does its state tell of the release.
  touched.down ??= (now && touched.mark && whyDown(now, touched.mark)) ?? '';
  if (before === undefined) {
    if (now !== undefined) await destroy(id, options);
    return undefined;
  }
  if (now === undefined) throw gone(id);
  // The write never arrived, or was refused. The lease sees to it that it won't arrive any more.
  if (now.instance_id && now.instance_id === before.instance_id) return unchanged(before, now);

  const launch = wasUp(before);
  const config = undoneConfig(before.config ?? {}, imageOf(before), options.release.version);
  const isBack = isPutBack(now, config);
  if (!isBack && readReleaseMetadata(now.config).id !== options.release.id) throw changedByOthers(now);
  const restored = isBack ? now : await putBack(now, config, launch, options);
  if (!launch) {
    await stayAsleep(restored, options);
    return undefined;
  }
  const steadyMs = steadyTimeOf(definedChecks(config), options.minHealthyMs);
  return { before, mark: markRun(now, restored), steadyMs };
}

/**
 * Resolves when a machine is as well as it was: healthy where it was healthy, started where it was up. It is not
 * asked for more than it gave.
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function upAgain(
  { before, mark, steadyMs }: Restored,
  { timeoutMs, ...options }: RestoreOptions,
): Promise<void> {
  if (!mustBeUp(before)) return;
  const watched = { ...options, id: before.id, mark };
  if (!isHealthy(before)) {
    await waitStarted(new Watch({ ...watched, timeoutMs }));
    return;
  }
  // As for a release: the time that its health has to last is none of what it has to come up.
  await becomeHealthy(new Watch({ ...watched, timeoutMs: timeoutMs + steadyMs }), steadyMs);
}

/** Whether a machine that was up again still is, at one look. What the platform has put to sleep since has not died. */
export function isStillUp({ before, mark }: Restored, now: Machine | undefined): boolean {
  if (!mustBeUp(before)) return true;
  if (now === undefined || whyDown(now, mark) !== undefined) return false;
  return isAsleep(now) || (isStarted(now, mark) && (isHealthy(now) || !isHealthy(before)));
}

function mustBeUp(before: Machine): boolean {
  return wasUp(before) && !keptFalling(before);
}

function wasUp(before: Machine): boolean {
  return !isAsleep(before) && before.state !== 'failed';
}

/** Whether a machine was not well when a release found it: put back, it need not be well either. Asleep it was. */
export function wasUnwell(before: Machine): boolean {
  if (!isAsleep(before)) return !isHealthy(before);
  return whyDown(before, markRun(undefined, before)) !== undefined;
}

/** It was read between two of its falls. */
function keptFalling(before: Machine): boolean {
  return before.state !== 'started' && whyDead(before, markRun(undefined, before)) !== undefined;
}

/** A machine that kept its version may be down all the same; whoever put it to sleep was not this release. */
function unchanged(before: Machine, now: Machine): Restored | undefined {
  const mark = markRun(before, now);
  return isAsleep(now) && whyDown(now, mark) === undefined ? undefined : { before, mark, steadyMs: 0 };
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
  options: RestoreOptions,
): Promise<Machine> {
  const { leases, tell } = options;
  await regainLease(now.id, options);
  if (isInPassing(now)) tell(steadyAfter(now));
  await untilSteady(options, now);
  tell('being put back');
  return updateMachine(options, now, { config, skipLaunch: !launch }, leases.nonce(now.id));
}

async function destroy(id: string, options: RestoreOptions): Promise<void> {
  await regainLease(id, options);
  options.tell('being destroyed');
  await options.api.destroyMachine(id, options.leases.nonce(id));
  await options.leases.forget(id);
}

async function regainLease(id: string, { leases, signal, tell }: RestoreOptions): Promise<void> {
  if (!leases.holds(id)) tell('taking its lock again');
  await leases.acquire(id, { waitMs: REGAIN_LEASE_MS, signal, end: signal, tell: () => undefined });
}

/** `skip_launch` keeps a stopped machine stopped; one that had been started for the release has to be told. */
async function stayAsleep(restored: Machine, options: RestoreOptions): Promise<void> {
  const { api, leases } = options;
  const now = await untilSteady(options, restored);
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
