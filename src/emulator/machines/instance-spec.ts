import type { InstanceSpec } from '../runtime/runtime.js';
import { pullReference } from './image-ref.js';
import type { MachineRecord } from './machine.js';
import { durationMs, portsOf } from './machine-config.js';

// Fly's defaults: kill_signal and kill_timeout of fly.toml.
const STOP_SIGNAL = 'SIGINT';
const STOP_TIMEOUT_MS = 5000;

/** What the runtime is to run for a machine. */
export function instanceSpec(app: string, machine: MachineRecord): InstanceSpec {
  const { config } = machine;
  const init = config.init ?? {};
  // `exec` replaces the image's entrypoint and command together.
  const entrypoint = init.exec ?? init.entrypoint;
  const cmd = init.exec === undefined ? init.cmd : [];
  return {
    app,
    machineId: machine.id,
    version: machine.instance_id,
    image: pullReference(machine.image_ref),
    env: { ...config.env, ...platformEnv(app, machine) },
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(cmd === undefined ? {} : { cmd }),
    memoryMb: config.guest?.memory_mb ?? 256,
    ports: portsOf(config),
  };
}

/** A signal, and after how long SIGKILL follows it. */
export interface StopOrder {
  readonly signal: string;
  readonly timeoutMs: number;
}

/** How a machine is asked to end: by a request's own words, else by its configuration. */
export function stopOrder(machine: MachineRecord, asked: Partial<StopOrder> = {}): StopOrder {
  const { stop_config } = machine.config;
  return {
    signal: asked.signal ?? stop_config?.signal ?? STOP_SIGNAL,
    timeoutMs: asked.timeoutMs ?? durationMs(stop_config?.timeout, STOP_TIMEOUT_MS),
  };
}

// The variables that every machine on Fly finds in its environment.
function platformEnv(app: string, machine: MachineRecord): Readonly<Record<string, string>> {
  return {
    FLY_APP_NAME: app,
    FLY_MACHINE_ID: machine.id,
    FLY_ALLOC_ID: machine.id,
    FLY_MACHINE_VERSION: machine.instance_id,
    FLY_PRIVATE_IP: machine.private_ip,
    FLY_REGION: machine.region,
    FLY_IMAGE_REF: pullReference(machine.image_ref),
    FLY_PROCESS_GROUP: machine.config.metadata?.['fly_process_group'] ?? '',
    FLY_VM_MEMORY_MB: String(machine.config.guest?.memory_mb ?? 256),
  };
}
