import * as v from 'valibot';

/**
 * What the Machines API tells of a machine, as far as a release needs it. Only the fields read here are
 * checked; a configuration is kept whole, because it is sent back whole.
 */

/** Goes into URLs and onto the screen, so it is held to what ids look like. */
const MachineId = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/));
/** The API writes an absent field as null or leaves it out. */
const absent = <Schema extends v.GenericSchema>(schema: Schema) => v.nullish(schema);
/** What nothing depends on may be of any form: then it counts as absent. */
const orNothing = <Schema extends v.GenericSchema>(schema: Schema) =>
  absent(v.fallback(absent(schema), undefined));

const CheckStatus = v.looseObject({
  name: v.string(),
  status: absent(v.string()),
  output: absent(v.string()),
  updated_at: absent(v.string()),
});
export type CheckStatus = v.InferOutput<typeof CheckStatus>;

const ExitEvent = v.looseObject({
  exit_code: absent(v.number()),
  oom_killed: absent(v.boolean()),
  requested_stop: absent(v.boolean()),
  restarting: absent(v.boolean()),
});
export type ExitEvent = v.InferOutput<typeof ExitEvent>;

const MachineEvent = v.looseObject({
  id: absent(v.string()),
  type: v.string(),
  status: absent(v.string()),
  source: absent(v.string()),
  /** milliseconds since the epoch */
  timestamp: orNothing(v.number()),
  request: orNothing(
    v.looseObject({
      exit_event: orNothing(ExitEvent),
      MonitorEvent: orNothing(v.looseObject({ exit_event: orNothing(ExitEvent) })),
    }),
  ),
});
export type MachineEvent = v.InferOutput<typeof MachineEvent>;

const MachinePort = v.looseObject({ port: absent(v.number()), handlers: absent(v.array(v.string())) });
export type MachinePort = v.InferOutput<typeof MachinePort>;

const MachineService = v.looseObject({
  protocol: absent(v.string()),
  internal_port: absent(v.number()),
  ports: absent(v.array(MachinePort)),
  checks: absent(v.array(v.looseObject({ interval: absent(v.unknown()) }))),
  autostart: absent(v.boolean()),
  /** Older answers say false for "off" and true for "stop". */
  autostop: absent(v.union([v.boolean(), v.string()])),
  min_machines_running: absent(v.number()),
});
export type MachineService = v.InferOutput<typeof MachineService>;

/** Anyone may write these: what is no text is passed over. */
const Metadata = v.pipe(
  v.record(v.string(), v.unknown()),
  v.transform((all) =>
    Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    ),
  ),
);

const MachineConfig = v.looseObject({
  image: absent(v.string()),
  env: absent(v.record(v.string(), v.string())),
  services: absent(v.array(MachineService)),
  checks: absent(v.record(v.string(), v.looseObject({ interval: absent(v.unknown()) }))),
  metadata: orNothing(Metadata),
  standbys: absent(v.array(v.string())),
  guest: absent(v.looseObject({})),
  stop_config: absent(v.unknown()),
});
export type MachineConfig = v.InferOutput<typeof MachineConfig>;

const ImageRef = v.looseObject({
  registry: absent(v.string()),
  repository: absent(v.string()),
  digest: absent(v.string()),
});

export const Machine = v.looseObject({
  id: MachineId,
  name: absent(v.string()),
  state: v.string(),
  region: absent(v.string()),
  /** Names the machine's version: it changes with every update. */
  instance_id: absent(v.string()),
  updated_at: absent(v.string()),
  host_status: absent(v.string()),
  image_ref: absent(ImageRef),
  /** Absent while the machine's host can't be reached; `incomplete_config` is then what the platform still knows. */
  config: absent(MachineConfig),
  incomplete_config: absent(MachineConfig),
  events: absent(v.array(MachineEvent)),
  checks: absent(v.array(CheckStatus)),
  /** Of the lease that a machine was created with; told to who created it alone. */
  nonce: absent(v.string()),
});
export type Machine = v.InferOutput<typeof Machine>;

export const MachineVersion = v.looseObject({
  version: v.string(),
  user_config: absent(MachineConfig),
});
export type MachineVersion = v.InferOutput<typeof MachineVersion>;

const ListenSocket = v.looseObject({ address: v.string(), proto: absent(v.string()) });
export type ListenSocket = v.InferOutput<typeof ListenSocket>;

export const ProcessStat = v.looseObject({ listen_sockets: orNothing(v.array(ListenSocket)) });

/** GET of a lease answers flat by the description, wrapped in `data` on the wire. */
const LeaseData = v.looseObject({
  nonce: absent(v.string()),
  /** seconds since the epoch */
  expires_at: absent(v.number()),
  owner: absent(v.string()),
  description: absent(v.string()),
});
export type LeaseData = v.InferOutput<typeof LeaseData>;

export const LeaseAnswer = v.pipe(
  v.union([v.looseObject({ data: LeaseData }), LeaseData]),
  v.transform((answer): LeaseData => ('data' in answer ? (answer.data as LeaseData) : answer)),
);

export const App = v.looseObject({
  name: absent(v.string()),
  /** Where the app answers, if that is not at Fly's own domain: said by a Machines API on loopback. */
  deployer_url: absent(v.pipe(v.string(), v.regex(/^https?:\/\/[A-Za-z0-9.:[\]-]{1,255}\/?$/))),
});
export type App = v.InferOutput<typeof App>;

export const WaitAnswer = v.looseObject({ ok: absent(v.boolean()), state: absent(v.string()) });

export const IpAssignments = v.looseObject({ ips: absent(v.array(v.looseObject({}))) });

const DESTROYED: ReadonlySet<string> = new Set(['destroyed', 'destroying']);
const ASLEEP: ReadonlySet<string> = new Set(['stopped', 'stopping', 'suspended', 'suspending']);

/** The machine is gone, or is going. */
export function isDestroyed(machine: Machine): boolean {
  return DESTROYED.has(machine.state);
}

/** On the way from one state to another, in which the API refuses an update. */
const IN_PASSING: ReadonlySet<string> = new Set([
  'replacing',
  'updating',
  'stopping',
  'suspending',
  'restarting',
]);

export function isInPassing(machine: Machine): boolean {
  return IN_PASSING.has(machine.state);
}

/** Stopped or suspended, on its own or by request. */
export function isAsleep(machine: Machine): boolean {
  return ASLEEP.has(machine.state);
}

/**
 * The image that the machine runs, by digest when the API knows it: a tag may have moved since.
 * @returns `repository[:tag]@digest`, or what the configuration says
 */
export function imageOf(machine: Machine): string | undefined {
  const image = machine.config?.image ?? undefined;
  const digest = machine.image_ref?.digest ?? undefined;
  if (image === undefined || image.includes('@') || digest === undefined) return image;
  return `${image}@${digest}`;
}
