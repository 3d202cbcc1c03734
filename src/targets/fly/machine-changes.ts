import type { Clock } from '../../lib/clock.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { becomeHealthy } from './become-healthy.js';
import { definedChecks, markRun, whyDead } from './health.js';
import type { Leases } from './lease.js';
import type { Machine } from './machine.js';
import { machineFailure } from './machine-failure.js';
import type { MachinesApi } from './machines-api.js';
import type { FlyPlan, FlyState, MachineChange } from './plan.js';
import type { Touched } from './undo.js';
import type { Voice } from './voice.js';
import { Watch } from './watch.js';
import { createMachine, updateMachine } from './write-once.js';

export interface MachineChangesOptions {
  readonly plan: FlyPlan;
  readonly leases: Leases;
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly voice: Voice;
}

interface Written {
  readonly touched: Touched;
  readonly machine: Machine;
}

/** Makes a plan's changes, one machine each, and keeps account of them: what an undo has to put back. */
export class MachineChanges {
  /** Every machine that was written to, in that order. */
  readonly touched: Touched[] = [];
  readonly #options: MachineChangesOptions;
  /** Creating is one at a time: see createMachine. */
  #creating: Promise<unknown> = Promise.resolve();

  constructor(options: MachineChangesOptions) {
    this.#options = options;
  }

  /** Changes a machine and watches it until it is healthy, where the plan says so. */
  async make(change: MachineChange, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { plan, voice } = this.#options;
    const { touched, machine } =
      change.kind === 'create' ? await this.#create(change, signal) : await this.#update(change, signal);
    const mode = change.kind === 'create' ? 'run' : change.mode;
    if (!plan.verify) {
      voice.machineDone(touched.id, 'accepted');
      return;
    }
    if (mode === 'sleep') {
      voice.machineDone(touched.id, 'updated, asleep');
      return;
    }
    const watch = this.#watch(touched, machine, signal);
    await becomeHealthy(watch, definedChecks(change.config));
    if (mode === 'prove') await this.#letSleep(touched.id);
    else touched.healthy = watch.mark;
    voice.machineDone(touched.id, 'healthy');
  }

  /**
   * A machine that was healthy may have died while the others were changed. One that the platform has put to sleep
   * since then has not.
   * @throws DeployerError `release_failed`
   */
  checkAllAlive({ app, machines }: FlyState): void {
    for (const { id, healthy } of this.touched) {
      if (healthy === undefined) continue;
      const machine = machines.find((candidate) => candidate.id === id);
      const why = machine === undefined ? 'was destroyed by someone else' : whyDead(machine, healthy);
      if (why !== undefined) throw machineFailure({ code: 'release_failed', app, id, why }, machine);
    }
  }

  /** Resolves when no machine is being created any more: all that came to be are accounted for. */
  async settled(): Promise<void> {
    await this.#creating;
  }

  async #update(change: Extract<MachineChange, { kind: 'update' }>, signal: AbortSignal): Promise<Written> {
    const { leases, voice } = this.#options;
    const before = this.#before(change.id);
    const touched: Touched = { id: change.id, before };
    this.touched.push(touched);
    voice.progress(`updating machine ${change.id}`);
    const update = { config: change.config, skipLaunch: change.mode === 'sleep' };
    try {
      const write = { ...this.#options, signal };
      return { touched, machine: await updateMachine(write, before, update, leases.nonce(change.id)) };
    } catch (error) {
      // What the API refused has changed nothing.
      if (isRefusal(error)) this.touched.splice(this.touched.indexOf(touched), 1);
      throw error;
    }
  }

  async #create(change: Extract<MachineChange, { kind: 'create' }>, signal: AbortSignal): Promise<Written> {
    const { plan, leases, voice } = this.#options;
    const create = async (): Promise<Written> => {
      signal.throwIfAborted();
      voice.progress('creating a machine');
      const accounted = new Set(this.touched.map(({ id }) => id));
      const { config, region } = change;
      const wanted = { config, ...(region === undefined ? {} : { region }) };
      const machine = await createMachine({ ...this.#options, signal }, wanted, accounted);
      const touched: Touched = { id: machine.id, before: undefined };
      this.touched.push(touched);
      return { touched, machine };
    };
    const creating = this.#creating.then(create);
    this.#creating = creating.catch(() => undefined);
    const written = await creating;
    const tell = (message: string): void => voice.progress(message);
    const wait = { waitMs: plan.request.lockWaitMs, signal, tell, justCreated: true };
    await leases.acquire(written.touched.id, wait);
    return written;
  }

  /** The release has shown that it works; a machine left awake is no reason to undo it. */
  async #letSleep(id: string): Promise<void> {
    const { api, leases, voice } = this.#options;
    try {
      await api.stopMachine(id, leases.nonce(id));
    } catch (error) {
      voice.warn(`machine ${id} was asleep before, and could not be stopped: ${messageOf(error)}`);
    }
  }

  #before(id: string): Machine {
    const machine = this.#options.plan.state.machines.find((candidate) => candidate.id === id);
    if (machine === undefined)
      throw new Error(`the plan changes machine ${id}, which its state does not hold`);
    return machine;
  }

  #watch(touched: Touched, machine: Machine, signal: AbortSignal): Watch {
    const { plan, api, clock, voice } = this.#options;
    return new Watch({
      api,
      clock,
      id: touched.id,
      mark: markRun(touched.before, machine),
      timeoutMs: plan.request.config.waitTimeoutMs,
      signal,
      tell: (message) => voice.progress(`machine ${touched.id}: ${message}`),
    });
  }
}

/** The API answered, and said no: nothing was carried out. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof DeployerError &&
    ['api_rejected', 'api_denied', 'api_unauthorized', 'app_not_found', 'api_rate_limited'].includes(
      error.code,
    )
  );
}
