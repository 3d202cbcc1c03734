import type { Lease } from './lease.js';
import type { MachineConfig } from './machine-config.js';

export const MACHINE_STATES = [
  'created',
  'starting',
  'started',
  'stopping',
  'stopped',
  'suspending',
  'suspended',
  'replacing',
  'destroying',
  'destroyed',
  'failed',
] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

// Where a machine may go from each state. `starting` to itself: the wait before another try. `created` to
// `stopped`: launched with skip_launch. `replacing` ends in `stopped` when the update skips the launch.
const NEXT: Readonly<Record<MachineState, readonly MachineState[]>> = {
  created: ['starting', 'stopped', 'replacing', 'destroying', 'failed'],
  starting: ['starting', 'started', 'stopping', 'stopped', 'replacing', 'destroying', 'failed'],
  started: ['starting', 'stopping', 'stopped', 'suspending', 'replacing', 'destroying', 'failed'],
  stopping: ['stopped', 'starting', 'destroying', 'failed'],
  stopped: ['starting', 'replacing', 'destroying'],
  suspending: ['suspended', 'starting', 'stopped', 'destroying', 'failed'],
  suspended: ['starting', 'stopping', 'stopped', 'replacing', 'destroying', 'failed'],
  replacing: ['starting', 'stopped', 'destroying', 'failed'],
  destroying: ['destroyed'],
  destroyed: [],
  failed: ['replacing', 'destroying'],
};

/** What `wait` takes for `settled`: nothing more will happen by itself. */
export function isSettled(state: MachineState): boolean {
  return ['started', 'stopped', 'suspended', 'destroyed', 'failed'].includes(state);
}

function canMove(from: MachineState, to: MachineState): boolean {
  return NEXT[from].includes(to);
}

/** How a machine's main process ended. */
export interface Exit {
  readonly exitCode: number;
  readonly oomKilled: boolean;
}

export interface MachineEvent {
  readonly id: string;
  /** launch, start, exit, stop, suspend, restart, update, destroy, cordon, uncordon */
  readonly type: string;
  readonly status: string;
  /** `user`: asked for over the API; `flyd`: the platform did it. */
  readonly source: 'user' | 'flyd';
  /** milliseconds since the epoch */
  readonly timestamp: number;
  readonly request?: Readonly<Record<string, unknown>>;
}

export interface ImageRef {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** One machine as it is kept: all of it is data, written to the data folder as it is. */
export interface MachineRecord {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly state: MachineState;
  /** The version: new with every configuration. */
  readonly instance_id: string;
  readonly private_ip: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly image_ref: ImageRef;
  readonly config: MachineConfig;
  readonly cordoned: boolean;
  /** False after `skip_launch`: it rests until it is started. */
  readonly launch: boolean;
  /** Newest first. */
  readonly events: readonly MachineEvent[];
  /** Newest first. */
  readonly versions: readonly { readonly version: string; readonly user_config: MachineConfig }[];
  readonly lease?: Lease;
}

const EVENTS_KEPT = 50;
const VERSIONS_KEPT = 50;

/** The record with one event more. */
export function withEvent(record: MachineRecord, event: MachineEvent): MachineRecord {
  return {
    ...record,
    events: [event, ...record.events].slice(0, EVENTS_KEPT),
    updated_at: new Date(event.timestamp).toISOString(),
  };
}

/**
 * The record in its next state.
 * @throws Error when no machine goes that way: a bug of the emulator, not of its client
 */
export function moved(record: MachineRecord, to: MachineState, nowMs: number): MachineRecord {
  if (record.state === to && to !== 'starting') return record;
  if (!canMove(record.state, to)) {
    throw new Error(`machine ${record.id} cannot go from ${record.state} to ${to}`);
  }
  return { ...record, state: to, updated_at: new Date(nowMs).toISOString() };
}

/**
 * The record as the next run of the emulator takes it up: what was running is started again, what was under way
 * has come to its end. Containers do not outlive the emulator, so a suspended machine has lost its memory.
 */
export function recovered(record: MachineRecord): MachineRecord {
  const { state, launch } = record;
  if (['created', 'starting', 'started', 'replacing'].includes(state)) {
    return { ...record, state: launch ? 'starting' : 'stopped' };
  }
  if (['stopping', 'suspending', 'suspended'].includes(state)) return { ...record, state: 'stopped' };
  return state === 'destroying' ? { ...record, state: 'destroyed' } : record;
}

/** The record with a new configuration, as its newest version. */
export function reconfigured(
  record: MachineRecord,
  version: string,
  config: MachineConfig,
  image_ref: ImageRef,
): MachineRecord {
  return {
    ...record,
    instance_id: version,
    config,
    image_ref,
    versions: [{ version, user_config: config }, ...record.versions].slice(0, VERSIONS_KEPT),
  };
}

/** The `request` of an exit's event. */
export function exitRequest(
  exit: Exit & {
    readonly ending: string | undefined;
    readonly restarting: boolean;
    readonly restarts: number;
  },
  nowMs: number,
): Readonly<Record<string, unknown>> {
  return {
    restart_count: exit.restarts,
    exit_event: {
      exit_code: exit.exitCode,
      guest_exit_code: exit.exitCode,
      oom_killed: exit.oomKilled,
      requested_stop: exit.ending !== undefined,
      restarting: exit.restarting,
      exited_at: new Date(nowMs).toISOString(),
    },
  };
}
