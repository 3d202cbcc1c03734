import * as v from 'valibot';
import { parseDuration } from '../../lib/duration.js';
import { messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { ApiError } from './api-error.js';

// What the emulator reads of a machine's configuration is checked; the rest is kept as it came and given back.

/** The signals that a stop or restart may name. */
export const STOP_SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGTERM',
] as const;

const text = v.pipe(v.string(), v.maxLength(32 * 1024));
const strings = v.pipe(v.array(text), v.maxLength(256));
const texts = v.record(v.string(), text);
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const duration = v.pipe(
  v.string(),
  v.check((input) => durationProblem(input) === undefined, 'is not a duration such as 500ms, 15s or 1m30s'),
);

const headers = v.array(v.looseObject({ name: text, values: strings }));

const check = v.looseObject({
  type: v.optional(v.picklist(['http', 'tcp'])),
  port: v.optional(port),
  interval: v.optional(duration),
  timeout: v.optional(duration),
  grace_period: v.optional(duration),
  method: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z]{1,16}$/, 'is not an HTTP method'))),
  path: v.optional(v.pipe(text, v.regex(/^\/\S*$/, 'must start with "/" and hold no blank'))),
  protocol: v.optional(v.picklist(['http', 'https'])),
  headers: v.optional(headers),
  tls_skip_verify: v.optional(v.boolean()),
  tls_server_name: v.optional(text),
});

const service = v.looseObject({
  protocol: v.optional(v.picklist(['tcp', 'udp'])),
  internal_port: port,
  checks: v.optional(v.pipe(v.array(check), v.maxLength(20))),
});

const machineConfig = v.looseObject({
  image: v.pipe(text, v.nonEmpty('must name an image')),
  env: v.optional(texts),
  metadata: v.optional(texts),
  guest: v.optional(
    v.looseObject({
      cpu_kind: v.optional(text),
      cpus: v.optional(count),
      memory_mb: v.optional(v.pipe(v.number(), v.integer(), v.minValue(6, 'must be at least 6 (MB)'))),
    }),
  ),
  init: v.optional(
    v.looseObject({
      exec: v.optional(strings),
      entrypoint: v.optional(strings),
      cmd: v.optional(strings),
      tty: v.optional(v.boolean()),
    }),
  ),
  services: v.optional(v.pipe(v.array(service), v.maxLength(20))),
  checks: v.optional(v.record(v.string(), check)),
  restart: v.optional(
    v.looseObject({
      policy: v.optional(v.picklist(['no', 'on-failure', 'always', 'spot-price'])),
      max_retries: v.optional(count),
    }),
  ),
  stop_config: v.optional(
    v.looseObject({ signal: v.optional(v.picklist(STOP_SIGNALS)), timeout: v.optional(duration) }),
  ),
  auto_destroy: v.optional(v.boolean()),
});

export type MachineConfig = v.InferOutput<typeof machineConfig>;
export type CheckConfig = v.InferOutput<typeof check>;

const machineRequest = v.looseObject({
  config: machineConfig,
  name: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be of letters, digits, ".", "_", "-"'),
    ),
  ),
  region: v.optional(v.pipe(v.string(), v.regex(/^[a-z]{3}$/, 'is not a region code of three letters'))),
  skip_launch: v.optional(v.boolean()),
  skip_service_registration: v.optional(v.boolean()),
  lease_ttl: v.optional(count),
  /** updates only */
  current_version: v.optional(v.string()),
});

/** The body of create and update. */
export type MachineRequest = v.InferOutput<typeof machineRequest>;

/** Fly's smallest machine, filled in where the request names no size. */
const DEFAULT_GUEST = { cpu_kind: 'shared', cpus: 1, memory_mb: 256 };

/**
 * The body of a create or update, checked, with the platform's defaults filled in.
 * @throws ApiError 400, naming the key at fault
 */
export function readMachineRequest(body: unknown): MachineRequest {
  const request = readBody(machineRequest, body);
  return { ...request, config: { ...request.config, guest: { ...DEFAULT_GUEST, ...request.config.guest } } };
}

/**
 * Checks a body against a schema.
 * @throws ApiError 400, naming the key at fault
 */
export function readBody<Schema extends v.GenericSchema>(
  schema: Schema,
  body: unknown,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = v.getDotPath(issue) ?? 'body';
  throw new ApiError('invalid_argument', cleanLine(`${key}: ${issue.message}`));
}

/** Milliseconds of a checked duration. */
export function durationMs(input: string | undefined, fallbackMs: number): number {
  return input === undefined ? fallbackMs : parseDuration(input, 'duration');
}

/** What is wrong with a duration; undefined when nothing is. */
export function durationProblem(input: string): string | undefined {
  try {
    parseDuration(input, 'duration');
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Keys of a configuration that are kept but not carried out: said in the log, once a version. */
const NOT_CARRIED_OUT = [
  'cache_drive',
  'containers',
  'dns',
  'files',
  'metrics',
  'mounts',
  'processes',
  'schedule',
  'standbys',
  'statics',
];

export function ignoredKeys(config: MachineConfig): readonly string[] {
  return NOT_CARRIED_OUT.filter((key) => {
    const value: unknown = config[key];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== '';
  });
}

/** TCP ports inside the machine that something outside talks to: services first, then what checks ask. */
export function portsOf(config: MachineConfig): readonly number[] {
  const services = (config.services ?? []).filter((each) => each.protocol !== 'udp');
  const ports = [
    ...services.map((each) => each.internal_port),
    ...services.flatMap((each) => (each.checks ?? []).map((one) => one.port)),
    ...Object.values(config.checks ?? {}).map((one) => one.port),
  ];
  return [...new Set(ports.filter((one) => one !== undefined))];
}
