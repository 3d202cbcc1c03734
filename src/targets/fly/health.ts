import { parseDuration } from '../../lib/duration.js';
import { cleanLine } from '../../lib/text.js';
import type { Unit } from '../target.js';
import type { CheckStatus, ExitEvent, Machine, MachineConfig, MachineEvent } from './machine.js';

/** The moment from which a machine is watched: what was there before says nothing about the new version. */
export interface RunMark {
  /** The machine's version that is to run, and the one that it replaced. */
  readonly version: string | undefined;
  readonly replaced: string | undefined;
  /** The API's own time of the update; milliseconds, NaN if it gave none. */
  readonly updatedAt: number;
  readonly seenEvents: ReadonlySet<string>;
}

/** @param before the machine as it was before the update; undefined for a new one */
export function markRun(before: Machine | undefined, after: Machine): RunMark {
  return {
    version: after.instance_id ?? undefined,
    replaced: before?.instance_id ?? undefined,
    updatedAt: Date.parse(after.updated_at ?? ''),
    seenEvents: new Set((before?.events ?? []).map(eventKey)),
  };
}

/** How often a machine may exit and be restarted by the platform before that counts as a loop. */
const MOST_EXITS = 3;
const DEAD: ReadonlySet<string> = new Set(['failed', 'launch_failed']);
const GONE: ReadonlySet<string> = new Set(['destroyed', 'destroying']);
const STOPPED: ReadonlySet<string> = new Set(['stopped', 'suspended']);

/** Why the machine's new version will not become healthy any more; undefined while it still may. */
export function whyDead(machine: Machine, mark: RunMark): string | undefined {
  if (GONE.has(machine.state)) return 'was destroyed by someone else';
  if (!isCurrent(machine, mark) && machine.instance_id !== mark.replaced)
    return 'was changed by someone else meanwhile';
  const exits = exitsSince(machine, mark);
  const last = exits[0];
  const code = last?.exit_code ?? 'unknown';
  if (exits.some((exit) => exit.oom_killed)) return `was killed: out of memory (exit code ${code})`;
  if (exits.length >= MOST_EXITS)
    return `restarts in a loop: exited ${exits.length} times, exit code ${code}`;
  if (last !== undefined && (last.restarting === false || STOPPED.has(machine.state)))
    return `exited with code ${code}`;
  if (!DEAD.has(machine.state)) return undefined;
  const said = launchError(machine, mark);
  return `could not be started (state ${cleanLine(machine.state, 20)})${said === undefined ? '' : `: ${said}`}`;
}

/** As `whyDead`, also of a machine that the platform has started again since. */
export function whyDown(machine: Machine, mark: RunMark): string | undefined {
  const [last] = exitsSince(machine, mark);
  return whyDead(machine, mark) ?? (last && `exited with code ${last.exit_code ?? 'unknown'}`);
}

/** Why a machine that ran is not to be waited for any more: it was told to stop. After its release that is no fault. */
export function whyStopped(machine: Machine, mark: RunMark): string | undefined {
  return STOPPED.has(machine.state) && eventsSince(machine, mark).some(isStart)
    ? 'was stopped by someone else, or by autostop, before it was known to be healthy'
    : undefined;
}

/** Not `starting`, which an order to start leaves too. */
function isStart({ type, status }: MachineEvent): boolean {
  return type === 'start' && status === 'started';
}

export function isStarted(machine: Machine, mark: RunMark): boolean {
  return machine.state === 'started' && isCurrent(machine, mark);
}

function isCurrent(machine: Machine, mark: RunMark): boolean {
  return mark.version === undefined || machine.instance_id === mark.version;
}

/** Exits of the new version that nobody asked for, newest first. */
export function exitsSince(machine: Machine, mark: RunMark): readonly ExitEvent[] {
  return eventsSince(machine, mark)
    .map(exitOf)
    .filter((exit): exit is ExitEvent => exit !== undefined && !exit.requested_stop);
}

/** Events of the new version, newest first: those that were not there before, and came after its launch. */
function eventsSince(machine: Machine, mark: RunMark): readonly MachineEvent[] {
  const fresh = freshEvents(machine, mark);
  const launch = fresh.findIndex(isLaunch);
  return launch === -1 ? fresh : fresh.slice(0, launch);
}

function freshEvents(machine: Machine, mark: RunMark): readonly MachineEvent[] {
  return newestFirst(machine).filter((event) => !mark.seenEvents.has(eventKey(event)));
}

function isLaunch({ type, status }: MachineEvent): boolean {
  // A launch that failed is no beginning.
  return (type === 'launch' || type === 'update') && status !== 'failed';
}

function newestFirst(machine: Machine): readonly MachineEvent[] {
  // Sorting is stable: events of the same millisecond stay in the API's order, newest first.
  return [...(machine.events ?? [])].sort((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0));
}

function exitOf(event: MachineEvent): ExitEvent | undefined {
  if (event.type !== 'exit') return undefined;
  return event.request?.exit_event ?? event.request?.MonitorEvent?.exit_event ?? {};
}

function eventKey(event: MachineEvent): string {
  return event.id ?? `${event.type} ${event.status} ${event.timestamp}`;
}

/** The last things that happened to a machine's new version, its launch among them, one a line, for an error. */
export function eventLines(machine: Machine, mark: RunMark, most = 5): string[] {
  const since = eventsSince(machine, mark);
  const launch = freshEvents(machine, mark).slice(since.length, since.length + 1);
  // Of one to which nothing has happened since: what happened last.
  const told = since.length + launch.length > 0 ? [...since, ...launch] : newestFirst(machine).slice(0, 1);
  return told.slice(0, most).map((event) => {
    const said = saidBy(event);
    const exit = exitOf(event);
    const detail =
      exit === undefined
        ? ''
        : ` exit_code=${exit.exit_code ?? '?'}${exit.oom_killed ? ' oom_killed' : ''}${exit.requested_stop ? ' requested' : ''}`;
    return cleanLine(
      `${timeOf(event)} ${event.type} ${event.status ?? ''} by ${event.source ?? 'unknown'}${detail}${said === undefined ? '' : `: ${said}`}`,
      300,
    );
  });
}

const LATEST_DATE_MS = 8.64e15;

function timeOf({ timestamp }: MachineEvent): string {
  if (!timestamp || Math.abs(timestamp) > LATEST_DATE_MS) return '--:--:--';
  return new Date(timestamp).toISOString().slice(11, 19);
}

/** What the platform says of an event in words: why a launch failed. */
function saidBy({ request }: MachineEvent): string | undefined {
  for (const key of ['error', 'message', 'reason']) {
    const said: unknown = request?.[key];
    if (typeof said === 'string' && said !== '') return cleanLine(said, 250);
  }
  return undefined;
}

/** Why the platform could not start the new version, in its own words. */
export function launchError(machine: Machine, mark: RunMark): string | undefined {
  return freshEvents(machine, mark).flatMap((event) =>
    event.type === 'launch' ? (saidBy(event) ?? []) : [],
  )[0];
}

/** Checks that the platform shows for bluegreen's sake only (flyctl ignores them too). */
function realChecks(machine: Machine): readonly CheckStatus[] {
  return (machine.checks ?? []).filter((check) => !check.name.startsWith('bg_deployments_compat'));
}

/** How many checks the configuration defines, of its services and of the machine itself. */
export function definedChecks(config: MachineConfig | null | undefined): number {
  const ofServices = (config?.services ?? []).reduce(
    (sum, service) => sum + (service.checks?.length ?? 0),
    0,
  );
  return ofServices + Object.keys(config?.checks ?? {}).length;
}

/**
 * Whether every check that is defined passes for the new version.
 * @param runningForMs how long the new version has been seen started
 */
export function checksPass(machine: Machine, mark: RunMark, runningForMs: number): boolean {
  const checks = realChecks(machine);
  return (
    checks.length >= definedChecks(machine.config) &&
    checks.every((check) => check.status === 'passing' && isFresh(check, machine, mark, runningForMs))
  );
}

/**
 * A passing left over from the old version must not vouch for the new one. The time of a check may move only
 * when its status does, so that after two rounds of the slowest check an older time counts too.
 */
function isFresh(check: CheckStatus, machine: Machine, mark: RunMark, runningForMs: number): boolean {
  const updatedAt = Date.parse(check.updated_at ?? '');
  if (Number.isNaN(updatedAt) || Number.isNaN(mark.updatedAt) || updatedAt >= mark.updatedAt) return true;
  return runningForMs >= 2 * slowestCheck(machine.config);
}

const DEFAULT_INTERVAL_MS = 15_000;

function slowestCheck(config: MachineConfig | null | undefined): number {
  const checks = [
    ...(config?.services ?? []).flatMap((service) => service.checks ?? []),
    ...Object.values(config?.checks ?? {}),
  ];
  return Math.max(DEFAULT_INTERVAL_MS, ...checks.map((check) => intervalOf(check.interval)));
}

function intervalOf(interval: unknown): number {
  if (typeof interval !== 'string' || !/^\d/.test(interval)) return 0;
  try {
    return parseDuration(interval, 'interval');
  } catch {
    // Spelled by another program in a way that only the platform reads: the default holds.
    return 0;
  }
}

/** `0/1 checks pass; servicecheck-00-http-8080 critical: connection refused` */
export function checksSummary(machine: Machine): string {
  const checks = realChecks(machine);
  const failing = failingChecks(machine);
  const total = Math.max(checks.length, definedChecks(machine.config));
  const [first] = failing;
  const said = first?.output ? `; ${first.name} ${first.status ?? 'unknown'}: ${first.output}` : '';
  if (total === 0) return 'no checks are defined';
  return cleanLine(`${checks.length - failing.length}/${total} checks pass${said}`, 200);
}

export function failingChecks(machine: Machine): readonly CheckStatus[] {
  return realChecks(machine).filter((check) => check.status !== 'passing');
}

/** What each check that doesn't pass says. */
export function checkLines(machine: Machine): string[] {
  return failingChecks(machine).map((check) =>
    cleanLine(`check ${check.name}: ${check.status ?? 'unknown'}: ${check.output ?? ''}`, 300),
  );
}

/** The worst of a machine's checks. */
export function healthOf(machine: Machine): Unit['health'] {
  const checks = realChecks(machine);
  if (checks.length === 0) return definedChecks(machine.config) === 0 ? 'none' : 'unknown';
  for (const status of ['critical', 'warning'] as const) {
    if (checks.some((check) => check.status === status)) return status;
  }
  return checks.every((check) => check.status === 'passing') ? 'passing' : 'unknown';
}

/** Serving as it should: started with no check against it, or put to sleep by the platform. */
export function isHealthy(machine: Machine): boolean {
  if (machine.state !== 'started') return false;
  const health = healthOf(machine);
  return health === 'passing' || health === 'none';
}
