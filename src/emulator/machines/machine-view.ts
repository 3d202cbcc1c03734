import type { MachineRecord } from './machine.js';
import type { Supervisor } from './supervisor.js';

const EVENTS_SHOWN = 20;

export interface ViewOptions {
  readonly runtime: 'docker' | 'none';
  /** Shown once, to who created the machine with a lease. */
  readonly nonce?: string | undefined;
}

/**
 * A machine as the API shows it. Beside Fly's fields it has `deployer_url` (the loopback URL of its first service,
 * while it runs) and `deployer_simulated` (true when no process runs).
 */
export function machineView(supervisor: Supervisor, options: ViewOptions): Readonly<Record<string, unknown>> {
  const { machine } = supervisor;
  const port = supervisor.servicePort();
  return {
    ...machineSummary(machine),
    config: machine.config,
    image_ref: machine.image_ref,
    events: machine.events.slice(0, EVENTS_SHOWN),
    checks: supervisor.checks(),
    host_status: 'ok',
    cordoned: machine.cordoned,
    ...(options.nonce === undefined ? {} : { nonce: options.nonce }),
    ...(port === undefined ? {} : { deployer_url: `http://127.0.0.1:${port}` }),
    deployer_simulated: options.runtime === 'none',
  };
}

/** What a list shows with `summary=true`. */
export function machineSummary(machine: MachineRecord): Readonly<Record<string, unknown>> {
  const { id, name, state, region, instance_id, private_ip, created_at, updated_at } = machine;
  return { id, name, state, region, instance_id, version: instance_id, private_ip, created_at, updated_at };
}
