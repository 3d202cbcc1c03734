import type { Clock } from '../../lib/clock.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { inParallel } from '../../lib/in-parallel.js';
import type { ReleaseContext, ReleaseOutcome, Unit } from '../target.js';
import { appUrl } from './app-url.js';
import { leftAsItIs, notPutBack, rolledBack, type Failure } from './failure.js';
import type { Leases } from './lease.js';
import { MachineChanges } from './machine-changes.js';
import type { MachinesApi } from './machines-api.js';
import type { FlyPlan, FlyState, MachineChange } from './plan.js';
import { readReleaseMetadata } from './release-metadata.js';
import { undo } from './undo.js';
import { unitOf } from './unit.js';
import { Voice } from './voice.js';
import { createApp } from './write-once.js';

export interface ReleasePorts {
  readonly api: MachinesApi;
  readonly clock: Clock;
  /** Reads the app's state anew. */
  readonly read: (signal: AbortSignal) => Promise<FlyState>;
}

/** One release on its way: changes the machines in the plan's order and pace, and undoes that if one fails. */
export class Rollout {
  readonly #plan: FlyPlan;
  readonly #leases: Leases;
  readonly #context: ReleaseContext;
  readonly #ports: ReleasePorts;
  readonly #voice: Voice;
  readonly #changes: MachineChanges;
  #appCreated = false;

  constructor(plan: FlyPlan, leases: Leases, context: ReleaseContext, ports: ReleasePorts) {
    this.#plan = plan;
    this.#leases = leases;
    this.#context = context;
    this.#ports = ports;
    this.#voice = new Voice(context.report, plan.changes.length);
    this.#changes = new MachineChanges({ ...ports, plan, leases, voice: this.#voice });
  }

  async run(): Promise<ReleaseOutcome> {
    const { changes, width, verify, release } = this.#plan;
    this.#context.report({ type: 'started', release, units: changes.length });
    const stop = AbortSignal.any([this.#context.signal, this.#leases.lost]);
    const make = (change: MachineChange, signal: AbortSignal): Promise<void> =>
      this.#changes.make(change, signal);
    try {
      await this.#prepareApp(stop);
      // The first shows whether the release works at all, before a second machine is put at risk.
      const alone = verify ? 1 : 0;
      await inParallel(changes.slice(0, alone), 1, stop, make);
      await inParallel(changes.slice(alone), width, stop, make);
      const state = await this.#read();
      this.#changes.checkAllAlive(state);
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
      this.#voice.log(`app ${state.app} created in organization ${state.organization}`);
    }
    // Only Fly's own API deals in addresses, and only now that the app is there can it be asked for them.
    if (assigns.length === 0 || (await api.countAddresses(signal)) !== 0) return;
    for (const type of assigns) {
      try {
        await api.assignAddress(type, signal);
      } catch (error) {
        signal.throwIfAborted();
        // The release itself does not need it, and an address can be given later.
        const later = `later: flyctl ips allocate -a ${state.app}`;
        this.#voice.warn(`no public address (${type}): ${messageOf(error)}; ${later}`);
      }
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
    await this.#changes.settled();
    if (this.#changes.touched.length === 0 && !this.#appCreated) {
      if (reason instanceof DeployerError && reason.code === 'interrupted')
        throw new DeployerError('interrupted', 'interrupted before anything was changed', { cause: reason });
      throw reason;
    }
    const undoing = this.#plan.request.rollback;
    this.#context.report({ type: 'failed', reason: messageOf(reason), undoing });
    return undoing ? await this.#undo(reason) : await this.#leave(reason);
  }

  async #undo(reason: unknown): Promise<ReleaseOutcome> {
    const { release, width, request } = this.#plan;
    const { touched } = this.#changes;
    await this.#accountForOrphans();
    const stuck = await undo(touched, {
      ...this.#ports,
      leases: this.#leases,
      report: this.#context.report,
      release,
      width,
      timeoutMs: request.config.waitTimeoutMs,
    });
    const units = await this.#units();
    const failure = this.#failure(reason);
    if (stuck.length > 0)
      return { status: 'failed', release, units, error: notPutBack(failure, stuck, touched.length) };
    const message = this.#putBackMessage();
    this.#context.report({ type: 'rolled-back', message });
    return { status: 'rolled-back', release, units, error: rolledBack(failure, message) };
  }

  /** A machine whose creation was asked for, and never answered, may have come to be after all. */
  async #accountForOrphans(): Promise<void> {
    const { touched } = this.#changes;
    if (!this.#plan.changes.some((change) => change.kind === 'create')) return;
    const known = new Set([...touched, ...this.#plan.state.machines].map(({ id }) => id));
    for (const { id, config } of (await this.#read()).machines) {
      const isOurs = readReleaseMetadata(config).id === this.#plan.release.id;
      if (isOurs && !known.has(id)) touched.push({ id, before: undefined });
    }
  }

  #putBackMessage(): string {
    const { release, state } = this.#plan;
    if (release.previous !== undefined) return `v${release.previous} is back`;
    if (state.machines.length > 0) return 'what ran before is back';
    const stays = this.#appCreated ? `, the app ${state.app} stays` : '';
    return `there was no release before; its machines were destroyed${stays}`;
  }

  /** `--no-rollback`: the machines stay as they are, and each is named. */
  async #leave(reason: unknown): Promise<ReleaseOutcome> {
    const units = await this.#units();
    const error = leftAsItIs(this.#failure(reason), units);
    return { status: 'failed', release: this.#plan.release, units, error };
  }

  #failure(reason: unknown): Failure {
    return { app: this.#plan.state.app, release: this.#plan.release, reason };
  }

  async #units(): Promise<readonly Unit[]> {
    return (await this.#read()).machines.map(unitOf);
  }

  /** The app's state now; while the API has no answer, as it was before. */
  async #read(): Promise<FlyState> {
    try {
      return await this.#ports.read(new AbortController().signal);
    } catch (error) {
      this.#voice.warn(`the machines' states can't be read: ${messageOf(error)}`);
      return this.#plan.state;
    }
  }
}
