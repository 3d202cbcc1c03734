import { DeployerError, messageOf } from '../../lib/errors.js';
import type { ReleaseContext, ReleaseOutcome } from '../target.js';
import { appUrl } from './app-url.js';
import { becomeHealthy } from './become-healthy.js';
import { leftAsItIs, notPutBack, rolledBack, type Failure } from './failure.js';
import { definedChecks, markRun, whyDead } from './health.js';
import { inParallel } from './in-parallel.js';
import type { Leases } from './lease.js';
import type { Machine } from './machine.js';
import { machineFailure } from './machine-failure.js';
import type { FlyPlan, FlyState, MachineChange } from './plan.js';
import type { ReleasePorts } from './release.js';
import { readReleaseMetadata } from './release-metadata.js';
import { undo, type Touched } from './undo.js';
import { unitOf } from './unit.js';
import { Watch } from './watch.js';
import { createApp, createMachine, updateMachine } from './write-once.js';

type Update = Extract<MachineChange, { kind: 'update' }>;
type Create = Extract<MachineChange, { kind: 'create' }>;

/** One release on its way: changes the machines in the plan's order and pace, and undoes that if one fails. */
export class Rollout {
  readonly #plan: FlyPlan;
  readonly #leases: Leases;
  readonly #context: ReleaseContext;
  readonly #ports: ReleasePorts;
  /** Every machine that was written to, in that order: what an undo has to put back. */
  readonly #touched: Touched[] = [];
  #appCreated = false;
  #healthy = 0;
  /** Creating is one at a time: see createMachine. */
  #creating: Promise<unknown> = Promise.resolve();

  constructor(plan: FlyPlan, leases: Leases, context: ReleaseContext, ports: ReleasePorts) {
    this.#plan = plan;
    this.#leases = leases;
    this.#context = context;
    this.#ports = ports;
  }

  async run(): Promise<ReleaseOutcome> {
    const { changes, width, verify, release } = this.#plan;
    const { signal, report } = this.#context;
    report({ type: 'started', release, units: changes.length });
    const stop = AbortSignal.any([signal, this.#leases.lost]);
    const change = (one: MachineChange, stopped: AbortSignal): Promise<void> => this.#change(one, stopped);
    try {
      await this.#prepareApp(stop);
      // The first shows whether the release works at all, before a second machine is put at risk.
      const alone = verify ? 1 : 0;
      await inParallel(changes.slice(0, alone), 1, stop, change);
      await inParallel(changes.slice(alone), width, stop, change);
      const state = await this.#read();
      this.#checkAllAlive(state);
      return this.#succeeded(state);
    } catch (error) {
      return await this.#stopped(this.#reasonOf(error));
    }
  }

  async #prepareApp(signal: AbortSignal): Promise<void> {
    const { createsApp, assigns, state } = this.#plan;
    const { api } = this.#ports;
    signal.throwIfAborted();
    if (createsApp) {
      await createApp(api, state.organization, signal);
      this.#appCreated = true;
      this.#log(`app ${state.app} created in organization ${state.organization}`);
    }
    // Only Fly's own API deals in addresses, and only now that the app is there can it be asked for them.
    if (assigns.length === 0 || (await api.countAddresses(signal)) !== 0) return;
    for (const type of assigns) {
      try {
        await api.assignAddress(type, signal);
      } catch (error) {
        signal.throwIfAborted();
        // The release itself does not need it, and an address can be given later.
        this.#log(
          `no public address (${type}): ${messageOf(error)}; later: flyctl ips allocate -a ${state.app}`,
          'warning',
        );
      }
    }
  }

  async #change(change: MachineChange, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { touched, written } =
      change.kind === 'create' ? await this.#create(change, signal) : await this.#update(change, signal);
    if (this.#plan.verify && !(change.kind === 'update' && change.mode === 'sleep')) {
      const watch = this.#watch(touched, written, signal);
      await becomeHealthy(watch, definedChecks(change.config));
      touched.healthy = watch.mark;
    }
    const done = this.#plan.verify ? (touched.healthy ? 'healthy' : 'updated, asleep') : 'accepted';
    if (change.kind === 'update' && change.mode === 'prove') await this.#letSleep(touched);
    this.#healthy += 1;
    this.#log(`[${this.#healthy}/${this.#plan.changes.length}] machine ${touched.id}: ${done}`);
  }

  /** The release has shown that it works; a machine left awake is no reason to undo it. */
  async #letSleep(touched: Touched): Promise<void> {
    const { id } = touched;
    delete touched.healthy;
    try {
      await this.#ports.api.stopMachine(id, this.#leases.nonce(id));
    } catch (error) {
      this.#log(`machine ${id} was asleep before, and could not be stopped: ${messageOf(error)}`, 'warning');
    }
  }

  async #update(change: Update, signal: AbortSignal): Promise<{ touched: Touched; written: Machine }> {
    const { api, clock } = this.#ports;
    const before = this.#before(change.id);
    const touched: Touched = { id: change.id, before };
    this.#touched.push(touched);
    this.#progress(`updating machine ${change.id}`);
    try {
      const written = await updateMachine(
        { api, clock, signal },
        before,
        { config: change.config, skipLaunch: change.mode === 'sleep' },
        () => this.#leases.nonce(change.id),
      );
      return { touched, written };
    } catch (error) {
      if (isRefusal(error)) this.#untouch(touched);
      throw error;
    }
  }

  async #create(change: Create, signal: AbortSignal): Promise<{ touched: Touched; written: Machine }> {
    const { api, clock } = this.#ports;
    const create = async (): Promise<{ touched: Touched; written: Machine }> => {
      signal.throwIfAborted();
      this.#progress('creating a machine');
      const accounted = new Set(this.#touched.map(({ id }) => id));
      const { config, region } = change;
      const wanted = { config, ...(region === undefined ? {} : { region }) };
      const written = await createMachine({ api, clock, signal }, wanted, accounted);
      const touched: Touched = { id: written.id, before: undefined };
      this.#touched.push(touched);
      return { touched, written };
    };
    const created = this.#creating.then(create);
    this.#creating = created.catch(() => undefined);
    const { touched } = await created;
    await this.#leases.acquire(touched.id, {
      waitMs: this.#plan.request.lockWaitMs,
      signal,
      tell: (message) => this.#progress(message),
      justCreated: true,
    });
    return created;
  }

  #before(id: string): Machine {
    const machine = this.#plan.state.machines.find((candidate) => candidate.id === id);
    if (machine === undefined)
      throw new Error(`the plan changes machine ${id}, which its state does not hold`);
    return machine;
  }

  #watch(touched: Touched, written: Machine, signal: AbortSignal): Watch {
    return new Watch({
      ...this.#ports,
      id: touched.id,
      mark: markRun(touched.before, written),
      timeoutMs: this.#plan.request.config.waitTimeoutMs,
      signal,
      tell: (message) => this.#progress(`machine ${touched.id}: ${message}`),
    });
  }

  /** An update that the API refused has changed nothing. */
  #untouch(touched: Touched): void {
    this.#touched.splice(this.#touched.indexOf(touched), 1);
  }

  /** A machine that was healthy may have died while the others were changed. */
  #checkAllAlive({ app, machines }: FlyState): void {
    for (const { id, healthy } of this.#touched) {
      if (healthy === undefined) continue;
      const machine = machines.find((candidate) => candidate.id === id);
      const why = machine === undefined ? 'was destroyed by someone else' : whyDead(machine, healthy);
      if (why !== undefined) throw machineFailure({ code: 'release_failed', app, id, why }, machine);
    }
  }

  #succeeded(state: FlyState): ReleaseOutcome {
    const { release, request } = this.#plan;
    const url = appUrl(state);
    return {
      status: request.detach ? 'detached' : 'succeeded',
      release,
      units: state.machines.map(unitOf),
      ...(url === undefined ? {} : { url }),
    };
  }

  /** What stopped the release: the user, a lost lock, or the failure itself. */
  #reasonOf(error: unknown): unknown {
    if (this.#context.signal.aborted)
      return new DeployerError('interrupted', 'interrupted', { cause: error });
    const { lost } = this.#leases;
    return lost.aborted ? lost.reason : error;
  }

  async #stopped(reason: unknown): Promise<ReleaseOutcome> {
    await this.#creating;
    if (this.#touched.length === 0 && !this.#appCreated) {
      if (reason instanceof DeployerError && reason.code === 'interrupted')
        throw new DeployerError('interrupted', 'interrupted before anything was changed', { cause: reason });
      throw reason;
    }
    const undoing = this.#plan.request.rollback;
    this.#context.report({ type: 'failed', reason: messageOf(reason), undoing });
    return undoing ? await this.#undo(reason) : await this.#leave(reason);
  }

  async #undo(reason: unknown): Promise<ReleaseOutcome> {
    const { api, clock } = this.#ports;
    const { release, width, request } = this.#plan;
    await this.#findOrphans();
    const stuck = await undo(this.#touched, {
      api,
      clock,
      leases: this.#leases,
      report: this.#context.report,
      version: release.version,
      width,
      timeoutMs: request.config.waitTimeoutMs,
    });
    const units = (await this.#read()).machines.map(unitOf);
    const failure = this.#failure(reason);
    if (stuck.length > 0) {
      const error = notPutBack(failure, stuck, this.#touched.length);
      return { status: 'failed', release, units, error };
    }
    const message = this.#putBackMessage();
    this.#context.report({ type: 'rolled-back', message });
    return { status: 'rolled-back', release, units, error: rolledBack(failure, message) };
  }

  /** A machine whose creation was asked for, and never answered, may have come to be after all. */
  async #findOrphans(): Promise<void> {
    if (!this.#plan.changes.some((change) => change.kind === 'create')) return;
    const known = new Set([...this.#touched, ...this.#plan.state.machines].map(({ id }) => id));
    for (const machine of (await this.#read()).machines) {
      const ours = readReleaseMetadata(machine.config).id === this.#plan.release.id;
      if (ours && !known.has(machine.id)) this.#touched.push({ id: machine.id, before: undefined });
    }
  }

  #putBackMessage(): string {
    const { release, state } = this.#plan;
    if (release.previous !== undefined) return `v${release.previous} is back`;
    if (state.machines.length > 0) return 'what ran before is back';
    return `there was no release before; its machines were destroyed${this.#appCreated ? `, the app ${state.app} stays` : ''}`;
  }

  async #leave(reason: unknown): Promise<ReleaseOutcome> {
    const { release } = this.#plan;
    const units = (await this.#read()).machines.map(unitOf);
    return { status: 'failed', release, units, error: leftAsItIs(this.#failure(reason), units) };
  }

  #failure(reason: unknown): Failure {
    return { app: this.#plan.state.app, release: this.#plan.release, reason };
  }

  /** The app's state now; while the API has no answer, as it was before. */
  async #read(): Promise<FlyState> {
    try {
      return await this.#ports.read(new AbortController().signal);
    } catch (error) {
      this.#log(`the machines' states can't be read: ${messageOf(error)}`, 'warning');
      return this.#plan.state;
    }
  }

  #progress(message: string): void {
    this.#context.report({
      type: 'progress',
      message,
      healthy: this.#healthy,
      total: this.#plan.changes.length,
    });
  }

  #log(message: string, level: 'info' | 'warning' = 'info'): void {
    this.#context.report({ type: 'log', level, message });
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
