import type { Clock } from '../../lib/clock.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { inParallel } from '../../lib/in-parallel.js';
import type { ReleaseContext, ReleaseOutcome, Unit } from '../target.js';
import { appUrl } from './app-url.js';
import { leftAsItIs, notPutBack, rolledBack, type Failure } from './failure.js';
import { LEASE_SECONDS, type Leases } from './lease.js';
import { MachineChanges } from './machine-changes.js';
import type { MachinesApi } from './machines-api.js';
import { answersUnchecked, type FlyPlan, type FlyState, type MachineChange } from './plan.js';
import { machinesOfReleases, readReleaseMetadata } from './release-metadata.js';
import { wasUnwell } from './restore.js';
import { undo } from './undo.js';
import { unitOf } from './unit.js';
import { Voice } from './voice.js';
import { within } from './within.js';
import { createApp } from './write-once.js';

/** How long the app's state is asked for when the release has ended. */
const READ_MS = 60_000;

const UNCHECKED =
  'no checks are configured: a machine that starts and stays up counts, though it may not answer; ' +
  'add to the file: path = "/" under [[http_service.checks]]';

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
    const { exposedPorts } = context;
    this.#changes = new MachineChanges({ ...ports, plan, leases, voice: this.#voice, exposedPorts });
  }

  async run(): Promise<ReleaseOutcome> {
    const { changes, width, firstAlone, verify, release } = this.#plan;
    const lockLifeMs = LEASE_SECONDS * 1000;
    this.#context.report({ type: 'started', release, units: changes.length, lockLifeMs });
    if (answersUnchecked(this.#plan)) this.#voice.warn(UNCHECKED);
    const stop = AbortSignal.any([this.#context.signal, this.#leases.lost]);
    const make = (change: MachineChange, signal: AbortSignal): Promise<void> =>
      this.#changes.make(change, signal);
    try {
      await this.#prepareApp(stop);
      // The first shows whether the release works at all, before a second machine is put at risk.
      const alone = firstAlone ? 1 : 0;
      await inParallel(changes.slice(0, alone), 1, stop, make);
      if (firstAlone && changes.length > 1) await this.#changes.allSteady(stop);
      await inParallel(changes.slice(alone), width, stop, make);
      return verify ? await this.#proven(stop) : this.#handedOver(await this.#read());
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
        const later = `later: fly ips allocate -a ${state.app}`;
        this.#voice.warn(`no public address (${type}): ${messageOf(error)}; ${later}`);
      }
    }
  }

  /** All machines as they were at the look at which the last of them was known to have stayed healthy. */
  async #proven(signal: AbortSignal): Promise<ReleaseOutcome> {
    // For the URL, which an app that has just been created did not have before.
    const state = await this.#read();
    const machines = machinesOfReleases(await this.#changes.allSteady(signal));
    await this.#changes.note('healthy');
    return this.#outcome('succeeded', { ...state, machines }, machines.map(unitOf));
  }

  /** `--detach`: what the machines say of their health may still be the old version's. */
  #handedOver(state: FlyState): ReleaseOutcome {
    const units = state.machines.map((machine): Unit => ({ ...unitOf(machine), health: 'unknown' }));
    return this.#outcome('detached', state, units);
  }

  #outcome(status: 'succeeded' | 'detached', state: FlyState, units: readonly Unit[]): ReleaseOutcome {
    const { release, proof } = this.#plan;
    const url = appUrl(state);
    return { status, release, verified: proof, units, ...(url === undefined ? {} : { url }) };
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
    const isLocked = reason instanceof DeployerError && reason.code === 'locked';
    if (this.#changes.touched.length === 0 && (isLocked || !this.#appCreated)) {
      if (reason instanceof DeployerError && reason.code === 'interrupted')
        throw new DeployerError('interrupted', 'interrupted before anything was changed', { cause: reason });
      throw reason;
    }
    const undoing = this.#plan.request.rollback;
    const remedy = undoing ? this.#undoMessage() : 'leaving the machines as they are (--no-rollback)';
    this.#context.report({ type: 'failed', reason: messageOf(reason), undoing, remedy });
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
      minHealthyMs: request.config.minHealthyMs,
    });
    if (stuck.length > 0) await this.#changes.noteUndoFailed();
    const units = await this.#units();
    const failure = { ...this.#failure(reason), alsoDown: touched };
    if (stuck.length > 0)
      return { status: 'failed', release, units, error: notPutBack(failure, stuck, touched.length) };
    const unwell = touched.filter(({ before }) => before !== undefined && wasUnwell(before)).length;
    const message = this.#putBackMessage(unwell);
    this.#context.report({ type: 'rolled-back', message });
    return { status: 'rolled-back', release, units, error: rolledBack({ ...failure, unwell }, message) };
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

  #undoMessage(): string {
    const { release, state } = this.#plan;
    if (release.previous !== undefined) return `putting v${release.previous} back`;
    if (state.machines.length > 0) return 'putting back what ran before';
    return 'there was no release before: destroying its machines';
  }

  #putBackMessage(unwell: number): string {
    const { release, state } = this.#plan;
    const total = this.#changes.touched.length;
    const some = `where ${unwell} of ${total} machines ${unwell === 1 ? 'was' : 'were'}`;
    const how = unwell === 0 ? '' : `, ${unwell === total ? 'which was' : some} not healthy before either`;
    if (release.previous !== undefined) return `v${release.previous} is back${how}`;
    if (state.machines.length > 0) return `what ran before is back${how}`;
    const stays = this.#appCreated ? `, the app ${state.app} stays` : '';
    return `there was no release before; its machines were destroyed${stays}`;
  }

  /** `--no-rollback`: the machines stay as they are, and each is named. */
  async #leave(reason: unknown): Promise<ReleaseOutcome> {
    await this.#changes.note('failed');
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
      return await within(this.#ports.clock, READ_MS, (end) => this.#ports.read(end));
    } catch (error) {
      this.#voice.warn(`the machines' states can't be read: ${messageOf(error)}`);
      return this.#plan.state;
    }
  }
}
