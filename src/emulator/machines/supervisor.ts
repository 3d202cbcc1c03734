import { endsWithin } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { ProcessStat } from '../runtime/runtime.js';
import { ApiError } from './api-error.js';
import { checksOf, type CheckResult } from './check-monitor.js';
import { newUlid } from './ids.js';
import { stopOrder, type StopOrder } from './instance-spec.js';
import { requireLease } from './lease.js';
import type { MachineConfig } from './machine-config.js';
import { MachineRun, type Ending, type RunExit, type RunPorts } from './machine-run.js';
import {
  exitRequest,
  moved,
  reconfigured,
  withEvent,
  type ImageRef,
  type MachineEvent,
  type MachineRecord,
  type MachineState,
} from './machine.js';

/** What a supervisor works with. */
export interface SupervisorPorts extends RunPorts {
  /** One line for whoever watches the emulator. */
  readonly log: (line: string) => void;
  /** The record has changed and is to be written. */
  readonly changed: () => void;
}

type Reason = Pick<MachineEvent, 'type' | 'source' | 'request'>;

const SHUTDOWN_MS = 2000;
/** For the engine, after the process has had its time. */
const GRACE_MS = 3000;
const KILL: StopOrder = { signal: 'SIGKILL', timeoutMs: 0 };

/**
 * Keeps one machine: its record and its run. Orders are answered at once, with the state on the way (`stopping`,
 * `replacing`, ..), and carried out in the background, one after the other.
 */
export class Supervisor {
  readonly app: string;
  #machine: MachineRecord;
  readonly #ports: SupervisorPorts;
  #run: MachineRun | undefined;
  #orders: Promise<void> = Promise.resolve();
  #closed = false;
  readonly #watchers = new Set<() => void>();

  constructor(app: string, machine: MachineRecord, ports: SupervisorPorts) {
    this.app = app;
    this.#machine = machine;
    this.#ports = ports;
  }

  get machine(): MachineRecord {
    return this.#machine;
  }

  /** Results of the checks of a started machine; before that each is a warning. */
  checks(): readonly CheckResult[] {
    return (
      this.#run?.checks() ??
      checksOf(this.#machine.config).map(({ name }) => ({
        name,
        status: 'warning',
        output: "the machine hasn't started",
        updated_at: this.#machine.updated_at,
      }))
    );
  }

  /** Started, in service, and every check passes: the proxy may send it requests. */
  isRoutable(): boolean {
    const { state, cordoned } = this.#machine;
    return state === 'started' && !cordoned && this.checks().every(({ status }) => status === 'passing');
  }

  /** The loopback port of its first service; undefined when there is none or it does not run. */
  servicePort(): number | undefined {
    const service = this.#machine.config.services?.find(({ protocol }) => protocol !== 'udp');
    return service && this.#run?.instance?.ports.get(service.internal_port);
  }

  /** Calls back on every change of state. Returns what ends that. */
  watch(listener: () => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /**
   * Refuses a change by who does not hold the machine's lease, where there is one.
   * @throws ApiError 409
   */
  requireLease(nonce: string | undefined): void {
    const { id, lease } = this.#machine;
    requireLease(id, lease, nonce, this.#ports.clock.now());
  }

  /** Changes what is not the machine's state: metadata, lease, cordon. */
  amend(change: (machine: MachineRecord) => MachineRecord): void {
    this.#machine = change(this.#machine);
    this.#ports.changed();
  }

  /** Takes it in or out of service: only the proxy asks. */
  cordon(cordoned: boolean): void {
    this.#machine = { ...this.#machine, cordoned };
    this.#note(this.#machine.state, { type: cordoned ? 'cordon' : 'uncordon', source: 'user' });
    this.#ports.changed();
  }

  /** Takes up a new or recovered record: gets its image, and starts it unless it is to rest. */
  begin(): void {
    const { state } = this.#machine;
    if (state === 'created' || state === 'starting') this.#launch();
  }

  /** @throws ApiError 412 */
  start(): void {
    const { state } = this.#machine;
    const run = this.#run;
    if (state === 'started') return;
    this.#require('start', ['stopped', 'suspended']);
    this.#machine = { ...this.#machine, launch: true };
    this.#enter('starting', { type: 'start', source: 'user' });
    if (state === 'stopped') this.#launch();
    else this.#order(() => this.#resume(run));
  }

  /** @throws ApiError 412 */
  stop(asked: Partial<StopOrder> = {}): void {
    if (this.#machine.state === 'stopped' || this.#machine.state === 'stopping') return;
    this.#require('stop', ['starting', 'started', 'suspended']);
    this.#machine = { ...this.#machine, launch: false };
    this.#enter('stopping', { type: 'stop', source: 'user' });
    this.#endRun('stop', stopOrder(this.#machine, asked), () => {
      if (this.#machine.state === 'stopping') this.#enter('stopped');
    });
  }

  /** @throws ApiError 412 */
  restart(asked: Partial<StopOrder> = {}): void {
    this.#require('restart', ['started']);
    this.#enter('stopping', { type: 'restart', source: 'user' });
    this.#endRun('restart', stopOrder(this.#machine, asked), () => {
      if (this.#machine.state === 'stopping') this.#launch();
    });
  }

  /** @throws ApiError 412 */
  suspend(): void {
    this.#require('suspend', ['started']);
    this.#enter('suspending', { type: 'suspend', source: 'user' });
    this.#order(async () => {
      await this.#run?.suspend();
      if (this.#machine.state === 'suspending') this.#enter('suspended', { type: 'suspend', source: 'flyd' });
    });
  }

  /** @throws ApiError 412 */
  async signal(signal: string): Promise<void> {
    this.#require('signal', ['started']);
    await this.#run?.instance?.signal(signal);
  }

  /** @throws ApiError 412; 501 where nothing really runs */
  async processes(): Promise<readonly ProcessStat[]> {
    this.#require('list the processes of', ['started']);
    return (await this.#run?.instance?.processes()) ?? [];
  }

  /**
   * Gives the machine a new configuration, as a new version: the old process is stopped, the new one started
   * unless `launch` is false.
   * @throws ApiError 412
   */
  replace(
    config: MachineConfig,
    imageRef: ImageRef,
    options: { readonly launch: boolean; readonly cordon: boolean },
  ): void {
    if (this.#machine.state === 'replacing') {
      throw new ApiError('failed_precondition', 'machine is replacing: concurrent update in progress');
    }
    this.#require('update', ['created', 'starting', 'started', 'stopped', 'suspended', 'failed']);
    const order = stopOrder(this.#machine);
    const next = reconfigured(this.#machine, newUlid(this.#ports.clock.now()), config, imageRef);
    this.#machine = { ...next, launch: options.launch, cordoned: next.cordoned || options.cordon };
    this.#enter('replacing', { type: 'update', source: 'user' });
    this.#endRun('replace', order, () => {
      if (this.#machine.state !== 'replacing') return;
      this.#note('replaced', { type: 'update', source: 'flyd' });
      this.#launch();
    });
  }

  /**
   * @param kill also when it runs
   * @throws ApiError 412
   */
  destroy(kill: boolean): void {
    const { state } = this.#machine;
    if (state === 'destroyed' || state === 'destroying') return;
    if (!kill) this.#require('destroy', ['created', 'stopped', 'suspended', 'failed']);
    this.#enter('destroying', { type: 'destroy', source: 'user' });
    // At once, not behind an order that may be waiting for a process that takes its time to end.
    this.#run?.willEnd('destroy');
    const ended = this.#run?.end(KILL).catch((error: unknown) => this.#failed(error));
    this.#order(async () => {
      await ended;
      if (this.#machine.state === 'destroying') this.#enter('destroyed', { type: 'destroy', source: 'flyd' });
    });
  }

  /**
   * Ends the process without a word in the record: the next run of the emulator takes it up again. What an engine
   * does not end in time is left to the runtime.
   */
  async shutdown(): Promise<void> {
    this.#closed = true;
    const order = stopOrder(this.#machine);
    const timeoutMs = Math.min(order.timeoutMs, SHUTDOWN_MS);
    this.#run?.willEnd('shutdown');
    this.#order(async () => this.#run?.end({ ...order, timeoutMs }));
    await endsWithin(this.#ports.clock, timeoutMs + GRACE_MS, this.#orders);
  }

  #launch(): void {
    if (this.#closed) return;
    this.#run = new MachineRun(this.app, this.#machine, this.#ports, {
      starting: () => this.#enter('starting'),
      started: () => this.#enter('started', this.#startReason()),
      exited: (exit) => this.#exited(exit),
      rested: () => this.#enter('stopped'),
      failed: (error) => this.#failed(error),
    });
  }

  #startReason(): Reason {
    const simulated = this.#ports.runtime.name === 'none';
    return { type: 'start', source: 'flyd', ...(simulated ? { request: { simulated } } : {}) };
  }

  #exited(exit: RunExit): void {
    const { ending, restarting } = exit;
    if (ending === 'shutdown') return;
    this.#logExit(exit);
    const rests = !restarting && (ending === undefined || ending === 'stop');
    const status = restarting ? 'starting' : rests ? 'stopped' : this.#machine.state;
    const request = exitRequest(exit, this.#ports.clock.now());
    this.#note(status, { type: 'exit', source: 'flyd', request });
    if (restarting) this.#enter('starting');
    if (!rests) return;
    this.#enter('stopped');
    if (this.#machine.config.auto_destroy !== true) return;
    this.#enter('destroying', { type: 'destroy', source: 'flyd' });
    this.#enter('destroyed', { type: 'destroy', source: 'flyd' });
  }

  async #resume(run: MachineRun | undefined): Promise<void> {
    await run?.resume();
    if (this.#machine.state === 'starting') this.#enter('started', this.#startReason());
  }

  #endRun(ending: Ending, order: StopOrder, then: () => void): void {
    this.#run?.willEnd(ending);
    this.#order(async () => {
      await this.#run?.end(order);
      then();
    });
  }

  // Orders follow each other; one that can't be carried out makes the machine fail.
  #order(carryOut: () => Promise<void>): void {
    this.#orders = this.#orders.then(carryOut).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    const message = cleanLine(messageOf(error));
    this.#log(message);
    const { state } = this.#machine;
    if (state === 'destroying') this.#enter('destroyed', { type: 'destroy', source: 'flyd' });
    if (['failed', 'stopped', 'destroying', 'destroyed'].includes(state)) return;
    // What an order could not end may still run, and end later.
    this.#run?.willEnd('failure');
    this.#enter('failed', { type: 'launch', source: 'flyd', request: { error: message } });
  }

  #logExit(exit: RunExit): void {
    if (exit.ending !== undefined) return;
    this.#log(
      exit.oomKilled
        ? 'its process was killed for its memory'
        : `its process ended with exit code ${exit.exitCode}`,
    );
    exit.lastLines.forEach((line) => this.#log(`| ${cleanLine(line)}`));
  }

  #log(line: string): void {
    this.#ports.log(`${this.app} ${this.#machine.id}: ${line}`);
  }

  #require(what: string, states: readonly MachineState[]): void {
    const { state } = this.#machine;
    if (states.includes(state)) return;
    throw new ApiError('failed_precondition', `unable to ${what} machine from current state: '${state}'`);
  }

  #enter(state: MachineState, reason?: Reason): void {
    this.#machine = moved(this.#machine, state, this.#ports.clock.now());
    if (reason !== undefined) this.#note(state, reason);
    this.#ports.changed();
    for (const watcher of [...this.#watchers]) watcher();
  }

  #note(status: string, reason: Reason): void {
    const now = this.#ports.clock.now();
    this.#machine = withEvent(this.#machine, { id: newUlid(now), status, timestamp: now, ...reason });
  }
}
