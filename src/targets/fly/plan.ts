import { DeployerError } from '../../lib/errors.js';
import type { PlannedWrite, Proof, ReleasePlan, ReleaseRecord, ReleaseRequest } from '../target.js';
import { adviceFor } from './advice.js';
import { definedChecks, isHealthy } from './health.js';
import { isAsleep, type Machine, type MachineConfig } from './machine.js';
import { machineConfig, restoredConfig } from './machine-config.js';
import { plannedRelease, labelOf, presentRelease, type ReleaseLabel } from './release-label.js';
import { lastHealthyOf } from './release-health.js';
import { METADATA } from './release-metadata.js';
import { sameConfig } from './same-config.js';
import { isUp, mayStayAsleep, minRunning } from './up.js';

/** What was read of an app before a release. */
export interface FlyState {
  readonly app: string;
  /** The API's base, for the plan's writes. */
  readonly apiUrl: string;
  readonly exists: boolean;
  /** Where the app answers, if the API says so. */
  readonly url?: string;
  /** The organization that a missing app is created in. */
  readonly organization: string;
  /** The machines that releases own, by id. */
  readonly machines: readonly Machine[];
  /** Public addresses; undefined when not asked for, or when the API does not deal in them. */
  readonly addresses?: number;
  /** The past release that is put back, with its configuration. */
  readonly restore?: { readonly record: ReleaseRecord; readonly config: MachineConfig };
}

export type MachineChange =
  | {
      readonly kind: 'create';
      readonly config: MachineConfig;
      readonly region?: string;
      /** The same for every first release of the app: only one of two can have it. */
      readonly name: string;
    }
  | {
      readonly kind: 'update';
      readonly id: string;
      readonly config: MachineConfig;
      /**
       * `run`: is started, and must become healthy. `sleep`: stays stopped, as the platform stopped it.
       * `wake`: was stopped, and is started all the same: without it too few would run, or nothing would show that the
       * release works. Where the platform stops machines, it may do so again.
       */
      readonly mode: 'run' | 'sleep' | 'wake';
    };

type MachineUpdate = Extract<MachineChange, { kind: 'update' }>;

export type AddressType = 'shared_v4' | 'v6';

export interface FlyPlan extends ReleasePlan {
  readonly request: ReleaseRequest;
  readonly state: FlyState;
  readonly createsApp: boolean;
  readonly assigns: readonly AddressType[];
  /** In the order in which they are made; none: everything runs already as asked. */
  readonly changes: readonly MachineChange[];
  /** Whether the first is to stay healthy for a while before a second machine is changed. */
  readonly firstAlone: boolean;
  /** How many machines are changed at once after that. */
  readonly width: number;
  /** Whether each machine is watched until it is healthy. */
  readonly verify: boolean;
  /** What its success will stand on. */
  readonly proof: Proof;
}

/** At most this part of the machines is out of service at once (the platform's own default). */
const MAX_UNAVAILABLE = 0.33;
/** Machines under way at once when all are changed together. */
const MOST_AT_ONCE = 50;

/**
 * Decides what a release does to the app's machines. Pure.
 * @throws DeployerError `api_unavailable` when a machine's configuration can't be read (its host is down)
 */
export function planRelease(request: ReleaseRequest, state: FlyState): FlyPlan {
  const label = labelOf(request, state.machines);
  const changes = changesOf(request, state, label);
  const verify = !request.detach;
  const firstAlone = verify && request.config.strategy === 'rolling';
  const proof = proofOf(verify, changes);
  const base = { request, state, image: request.image, verify, firstAlone, proof };
  // What no deploy has proven is deployed again and watched, however well it looks; unless this one proves nothing either.
  const present = label.previous?.version;
  const isProven = !verify || lastHealthyOf(state.machines, present) === present;
  const runsEverywhere = state.machines.every((machine, n) => runsAlready(machine, changes[n]));
  if (state.machines.length > 0 && runsEverywhere && isProven) return { ...base, ...nothingToDo(state) };

  const ordered = inOrder(changes, state, verify);
  const createsApp = !state.exists;
  const firstAddresses = state.machines.length === 0 && request.config.httpService && state.addresses === 0;
  const assigns: readonly AddressType[] = firstAddresses ? ['v6', 'shared_v4'] : [];
  const release = plannedRelease(label, request.restores);
  return {
    ...base,
    release,
    createsApp,
    assigns,
    changes: ordered,
    width: firstAlone
      ? Math.max(1, Math.floor(changes.length * MAX_UNAVAILABLE))
      : Math.min(changes.length, MOST_AT_ONCE),
    writes: writesOf(state, ordered, { createsApp, assigns, release, verify }),
    summary: summaryOf(request, state, ordered, proof),
  };
}

function nothingToDo(state: FlyState) {
  const release = presentRelease(state.machines[0]);
  const summary = `nothing to do: v${release.version} already runs this image with this configuration`;
  const checked = state.machines.every(({ config }) => definedChecks(config) > 0);
  const proof: Proof = checked ? 'checks' : 'started';
  return { release, createsApp: false, assigns: [], changes: [], width: 0, writes: [], summary, proof };
}

/** One change a machine, in the order of the state's machines. */
function changesOf(request: ReleaseRequest, state: FlyState, label: ReleaseLabel): MachineChange[] {
  const { config } = request;
  const configFor = (existing: MachineConfig | undefined): MachineConfig =>
    state.restore === undefined
      ? machineConfig(config, label, existing)
      : restoredConfig(state.restore.config, label, existing);
  if (state.machines.length > 0) {
    const updates = state.machines.map((machine): MachineUpdate => {
      const wanted = configFor(presentConfig(machine));
      const mode = isAsleep(machine) && mayStayAsleep(wanted) ? 'sleep' : 'run';
      return { kind: 'update', id: machine.id, config: wanted, mode };
    });
    return withEnoughAwake(updates, state.machines);
  }
  const count = Math.max(1, config.httpService?.minMachinesRunning ?? 1);
  const region = config.primaryRegion === undefined ? {} : { region: config.primaryRegion };
  return Array.from({ length: count }, (_, nth): MachineChange => ({
    kind: 'create',
    // A name has 63 characters at most.
    name: `${state.app.slice(0, 56)}-${nth + 1}`,
    config: configFor(undefined),
    ...region,
  }));
}

/** As many as `min_machines_running` asks for; and one where none is up, so that nobody would be answered. */
function withEnoughAwake(updates: readonly MachineUpdate[], machines: readonly Machine[]): MachineUpdate[] {
  const wanted = Math.max(machines.some(isUp) ? 0 : 1, ...updates.map(({ config }) => minRunning(config)));
  let missing = wanted - updates.filter(({ mode }) => mode === 'run').length;
  return updates.map((update): MachineUpdate => {
    if (update.mode !== 'sleep' || missing <= 0) return update;
    missing -= 1;
    return { ...update, mode: 'wake' };
  });
}

function presentConfig(machine: Machine): MachineConfig {
  if (machine.config) return machine.config;
  throw new DeployerError(
    'api_unavailable',
    `the configuration of machine ${machine.id} can't be read: its host is unreachable`,
    {
      evidence: [`host_status: ${machine.host_status ?? 'unknown'}`],
      suggestions: [`try again later, or replace the machine: fly machine destroy --force ${machine.id}`],
    },
  );
}

function runsAlready(machine: Machine, change: MachineChange | undefined): boolean {
  if (change?.kind !== 'update' || !machine.config) return false;
  return sameConfig(machine.config, change.config) && (isHealthy(machine) || change.mode === 'sleep');
}

/**
 * Running machines first, so that the first change shows whether the release works. When all are asleep, one
 * is woken for that.
 */
function inOrder(changes: readonly MachineChange[], state: FlyState, verify: boolean): MachineChange[] {
  const asleep = (change: MachineChange): boolean => change.kind === 'update' && change.mode === 'sleep';
  const ordered = [...changes.filter((change) => !asleep(change)), ...changes.filter(asleep)];
  const first = ordered[0];
  if (verify && first?.kind === 'update' && first.mode === 'sleep') ordered[0] = { ...first, mode: 'wake' };
  return ordered;
}

/** Without a check nothing can show more than that the machines have started, and stay up. */
function proofOf(verify: boolean, changes: readonly MachineChange[]): Proof {
  if (!verify) return 'nothing';
  return changes.every(({ config }) => definedChecks(config) > 0) ? 'checks' : 'started';
}

/** Whether someone out there expects an answer, and no check asks for one. */
export function answersUnchecked({ proof, changes }: Pick<FlyPlan, 'proof' | 'changes'>): boolean {
  return proof === 'started' && changes.some(({ config }) => (config.services ?? []).length > 0);
}

function summaryOf(
  request: ReleaseRequest,
  state: FlyState,
  changes: readonly MachineChange[],
  proof: Proof,
): string {
  const machines = `${changes.length} ${changes.length === 1 ? 'machine' : 'machines'}`;
  const how = request.detach ? `${request.config.strategy}, detached` : request.config.strategy;
  const unchecked = answersUnchecked({ proof, changes })
    ? `; no checks are configured: ${changes.length === 1 ? 'it' : 'they'} will be started, not proven to answer`
    : '';
  if (state.machines.length > 0) return `${how}, ${machines}${unchecked}`;
  const reason =
    (request.config.httpService?.minMachinesRunning ?? 0) > 1
      ? 'as min_machines_running asks'
      : `more with min_machines_running${adviceFor(state.apiUrl).scale}`;
  return `first release, ${machines} created (${reason})${unchecked}`;
}

function writesOf(
  state: FlyState,
  changes: readonly MachineChange[],
  { createsApp, assigns, release, verify }: Pick<FlyPlan, 'createsApp' | 'assigns' | 'release' | 'verify'>,
): PlannedWrite[] {
  const app = `${state.apiUrl}/apps/${encodeURIComponent(state.app)}`;
  const writes: PlannedWrite[] = [];
  const post = (url: string, summary: string): unknown => writes.push({ method: 'POST', url, summary });
  if (createsApp)
    post(`${state.apiUrl}/apps`, `create app ${state.app} in organization ${state.organization}`);
  for (const type of assigns) post(`${app}/ip_assignments`, `give the app a public address (${type})`);
  for (const change of changes) {
    if (change.kind === 'create') {
      post(`${app}/machines`, `create a machine${change.region ? ` in ${change.region}` : ''} and start it`);
      continue;
    }
    const machine = `${app}/machines/${change.id}`;
    post(`${machine}/lease`, `lock machine ${change.id} until the release is done`);
    post(machine, `${MODE_SUMMARY[change.mode]} machine ${change.id} to v${release.version}`);
  }
  const noted = `${app}/machines/*/metadata/${METADATA.health}`;
  if (verify) post(noted, `note on each machine that v${release.version} is healthy, once it is`);
  return writes;
}

const MODE_SUMMARY = {
  run: 'update',
  sleep: 'update, without starting it,',
  wake: 'update and start',
} as const;
