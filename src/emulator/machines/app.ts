import { ApiError } from './api-error.js';
import { FrontProxy } from './front-proxy.js';
import { newMachineId, newMachineName, newPrivateIp, newPublicIp, newUlid } from './ids.js';
import type { MachineRequest } from './machine-config.js';
import { recovered, withEvent, type ImageRef, type MachineRecord } from './machine.js';
import type { AddressRecord, AppRecord } from './state-file.js';
import { Supervisor, type SupervisorPorts } from './supervisor.js';

/** Destroyed machines that are still shown when they are asked for. */
const DESTROYED_KEPT = 50;

/** Where a machine is put that asks for no region. */
export const HOME_REGION = 'ams';

/** An app: its machines, and the proxy in front of them. */
export class App {
  readonly #ports: SupervisorPorts;
  readonly #record: Omit<AppRecord, 'addresses' | 'machines' | 'proxyPort'>;
  readonly #supervisors = new Map<string, Supervisor>();
  #addresses: readonly AddressRecord[];
  #proxyPort: number | undefined;
  #proxy: FrontProxy | undefined;
  #closed = false;

  constructor(record: AppRecord, ports: SupervisorPorts) {
    const { machines, proxyPort, addresses = [], ...rest } = record;
    this.#ports = ports;
    this.#record = rest;
    this.#proxyPort = proxyPort;
    this.#addresses = addresses;
    for (const machine of [...machines].reverse()) this.#supervise(recovered(machine));
  }

  get name(): string {
    return this.#record.name;
  }

  get organization(): string {
    return this.#record.organization;
  }

  /** Newest first. */
  machines(): readonly Supervisor[] {
    return [...this.#supervisors.values()].reverse();
  }

  /** @throws ApiError 404 */
  machine(id: string): Supervisor {
    const supervisor = this.#supervisors.get(id);
    if (supervisor === undefined) throw new ApiError('not_found', `machine not found`);
    return supervisor;
  }

  /** Opens the proxy where machines really run, and takes up the machines of before. */
  async open(): Promise<void> {
    if (this.#ports.runtime.name !== 'none') {
      this.#proxy = new FrontProxy(this.name, () => this.#routablePorts());
      this.#proxyPort = await this.#proxy.listen(this.#proxyPort);
    }
    for (const supervisor of this.#supervisors.values()) supervisor.begin();
  }

  /** Ends every process; the records stay as they are. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.machines().map((each) => each.shutdown()));
    await this.#proxy?.close();
  }

  /** Destroys every machine for good. */
  async destroy(): Promise<void> {
    for (const each of this.machines()) each.destroy(true);
    await this.close();
  }

  /** @throws ApiError 409 when the name is taken, 503 when the emulator is closing */
  createMachine(request: MachineRequest, imageRef: ImageRef): Supervisor {
    if (this.#closed) throw new ApiError('unavailable', 'the emulator is closing');
    const name = request.name ?? newMachineName();
    const namesake = this.machines().find(
      ({ machine }) => machine.name === name && machine.state !== 'destroyed',
    );
    if (namesake !== undefined) {
      throw new ApiError(
        'already_exists',
        `unique machine name violation, machine ID ${namesake.machine.id} already exists with name "${name}"`,
      );
    }
    this.#forgetDestroyed();
    const supervisor = this.#supervise(newMachine(name, request, imageRef, this.#ports.clock.now()));
    supervisor.begin();
    this.#ports.changed();
    return supervisor;
  }

  get addresses(): readonly AddressRecord[] {
    return this.#addresses;
  }

  /** Gives the app a public address, for clients that see to it that it has one; the app answers on loopback alone. */
  assignAddress(type: 'v4' | 'shared_v4' | 'v6'): AddressRecord {
    const address = {
      ip: newPublicIp(type === 'v6' ? 6 : 4),
      region: 'global',
      shared: type === 'shared_v4',
      created_at: new Date(this.#ports.clock.now()).toISOString(),
    };
    this.#addresses = [...this.#addresses, address];
    this.#ports.changed();
    return address;
  }

  /** @throws ApiError 404 */
  releaseAddress(ip: string): void {
    const left = this.#addresses.filter((each) => each.ip !== ip);
    if (left.length === this.#addresses.length) throw new ApiError('not_found', 'address not found');
    this.#addresses = left;
    this.#ports.changed();
  }

  toRecord(): AppRecord {
    return {
      ...this.#record,
      addresses: this.#addresses,
      ...(this.#proxyPort === undefined ? {} : { proxyPort: this.#proxyPort }),
      machines: this.machines().map(({ machine }) => machine),
    };
  }

  /** As the API shows it: Fly's fields, and `deployer_url`, where the app answers over all its releases. */
  toView(): Readonly<Record<string, unknown>> {
    const { id, name, organization, network } = this.#record;
    const machine_count = this.machines().filter(({ machine }) => machine.state !== 'destroyed').length;
    return {
      id,
      name,
      status: machine_count > 0 ? 'deployed' : 'pending',
      machine_count,
      volume_count: 0,
      network,
      organization: { name: organization, slug: organization },
      ...(this.#proxy === undefined ? {} : { deployer_url: `http://127.0.0.1:${this.#proxyPort}` }),
    };
  }

  #supervise(machine: MachineRecord): Supervisor {
    const supervisor = new Supervisor(this.name, machine, this.#ports);
    this.#supervisors.set(machine.id, supervisor);
    return supervisor;
  }

  #routablePorts(): readonly number[] {
    return this.machines()
      .filter((each) => each.isRoutable())
      .map((each) => each.servicePort())
      .filter((port) => port !== undefined);
  }

  #forgetDestroyed(): void {
    const destroyed = this.machines().filter(({ machine }) => machine.state === 'destroyed');
    for (const { machine } of destroyed.slice(DESTROYED_KEPT)) this.#supervisors.delete(machine.id);
  }
}

function newMachine(name: string, request: MachineRequest, imageRef: ImageRef, nowMs: number): MachineRecord {
  const now = new Date(nowMs).toISOString();
  const version = newUlid(nowMs);
  const machine: MachineRecord = {
    id: newMachineId(),
    name,
    region: request.region ?? HOME_REGION,
    state: 'created',
    instance_id: version,
    private_ip: newPrivateIp(),
    created_at: now,
    updated_at: now,
    image_ref: imageRef,
    config: request.config,
    cordoned: request.skip_service_registration === true,
    launch: request.skip_launch !== true,
    events: [],
    versions: [{ version, user_config: request.config }],
  };
  return withEvent(machine, {
    id: newUlid(nowMs),
    type: 'launch',
    status: 'created',
    source: 'user',
    timestamp: nowMs,
  });
}
