import type { Clock } from '../../lib/clock.js';
import { formatDuration } from '../../lib/duration.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { inParallel } from '../../lib/in-parallel.js';
import type { ReleaseContext } from '../target.js';
import { isRejected } from './api-error.js';
import { becomeHealthy } from './become-healthy.js';
import { explainSilence } from './silence.js';
import { definedChecks, markRun, type RunMark } from './health.js';
import { LEASE_SECONDS, type Leases } from './lease.js';
import { isInPassing, type Machine } from './machine.js';
import type { MachinesApi } from './machines-api.js';
import type { FlyPlan, MachineChange } from './plan.js';
import { METADATA, type ReleaseHealth } from './release-metadata.js';
import { reminding } from './reminders.js';
import { steadyTimeOf } from './steadiness.js';
import type { Touched } from './touched.js';
import { Vigil } from './vigil.js';
import type { Voice } from './voice.js';
import { Watch } from './watch.js';
import { within } from './within.js';
import { createMachine, STEADY_WITHIN_MS, steadyAfter, untilSteady, updateMachine } from './write-once.js';
import { explainAnswer } from './wrong-answer.js';

export interface MachineChangesOptions {
  readonly plan: FlyPlan;
  readonly leases: Leases;
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly voice: Voice;
  readonly exposedPorts: ReleaseContext['exposedPorts'];
}

const NOTES_AT_ONCE = 10;
const NOTE_MS = 10_000;

interface Written {
  readonly touched: Touched;
  readonly machine: Machine;
}

/** Makes a plan's changes, one machine each, and keeps account of them: what an undo has to put back. */
export class MachineChanges {
  /** Every machine that was written to, in that order. */
  readonly touched: Touched[] = [];
  readonly #options: MachineChangesOptions;
  readonly #vigil: Vigil;
  /** Creating is one at a time: see createMachine. */
  #creating: Promise<unknown> = Promise.resolve();

  constructor(options: MachineChangesOptions) {
    this.#options = options;
    const { api, clock, plan, voice } = options;
    const timeoutMs = plan.request.config.waitTimeoutMs;
    this.#vigil = new Vigil({
      ...{ api, clock, timeoutMs },
      tell: (message) => voice.progress(message),
      remind: (message) => voice.log(message),
    });
  }

  /** Changes a machine and watches it until its checks have passed once, where the plan says so. */
  async make(change: MachineChange, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { plan, voice } = this.#options;
    await this.#guard(() => this.#vigil.allUp(signal));
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
    const checks = definedChecks(change.config);
    touched.healthy = await this.#becomeHealthy(touched, machine, signal);
    this.#vigil.add(touched.id, touched.healthy, steadyTimeOf(checks, plan.request.config.minHealthyMs));
    const woken = mode === 'wake' ? 'woken, ' : '';
    voice.machineDone(touched.id, `${woken}${checks > 0 ? 'checks pass' : 'started'}`);
  }

  /**
   * Resolves when all machines that were changed have stayed healthy for their time, at one and the same look.
   * @returns all machines of the app at that look
   * @throws DeployerError `release_failed`, `timed_out`
   */
  async allSteady(signal: AbortSignal): Promise<readonly Machine[]> {
    return this.#guard(() => this.#vigil.allSteady(signal));
  }

  /** Notes on the machines what the release came to: for `release list`, and for the next release to go back to. */
  async note(health: ReleaseHealth): Promise<void> {
    const { api, leases, voice, plan } = this.#options;
    const never = new AbortController().signal;
    await inParallel(this.touched, NOTES_AT_ONCE, never, async ({ id }) => {
      try {
        await api.setMetadata(id, METADATA.health, health, leases.nonce(id));
      } catch (error) {
        const what = `that v${plan.release.version} is ${health}`;
        voice.warn(`${what} could not be noted on machine ${id}: ${messageOf(error)}`);
      }
    });
  }

  /** Notes on the machines, where that can be done, that not all of them are as before the release. */
  async noteUndoFailed(): Promise<void> {
    const { api, clock, leases, plan } = this.#options;
    const never = new AbortController().signal;
    const kept = this.touched.filter(({ before }) => before !== undefined);
    await inParallel(kept, NOTES_AT_ONCE, never, async ({ id }) => {
      const version = String(plan.release.version);
      await within(clock, NOTE_MS, (end) =>
        api.until(end).setMetadata(id, METADATA.undoFailed, version, leases.nonce(id)),
      ).catch(() => undefined); // The error tells of the machine all the same.
    });
  }

  /** Resolves when no machine is being created any more: all that came to be are accounted for. */
  async settled(): Promise<void> {
    await this.#creating;
  }

  async #update(change: Extract<MachineChange, { kind: 'update' }>, signal: AbortSignal): Promise<Written> {
    const { leases, voice } = this.#options;
    const before = this.#before(change.id);
    await this.#steady(before, signal);
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

  /** Until it is on its way from one state to another no more, in which the API refuses an update. */
  async #steady(machine: Machine, signal: AbortSignal): Promise<void> {
    if (!isInPassing(machine)) return;
    const { api, clock, voice } = this.#options;
    const waiting = steadyAfter(machine);
    const limit = formatDuration(STEADY_WITHIN_MS);
    voice.progress(`machine ${machine.id}: ${waiting}`);
    const sayAgain = (after: string): void =>
      voice.log(`machine ${machine.id}: still ${waiting} (${after} of ${limit})`);
    await reminding(clock, sayAgain, () => untilSteady({ api, clock, signal }, machine));
  }

  async #create(change: Extract<MachineChange, { kind: 'create' }>, signal: AbortSignal): Promise<Written> {
    const { plan, leases, voice } = this.#options;
    const create = async (): Promise<Written> => {
      signal.throwIfAborted();
      voice.progress('creating a machine');
      const accounted = new Set(this.touched.map(({ id }) => id));
      const { config, region, name } = change;
      const wanted = { config, region, name, leaseSeconds: LEASE_SECONDS };
      const machine = await createMachine({ ...this.#options, signal }, wanted, accounted);
      const touched: Touched = { id: machine.id, before: undefined };
      this.touched.push(touched);
      if (machine.nonce) leases.adopt(machine.id, machine.nonce);
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

  async #becomeHealthy(touched: Touched, machine: Machine, signal: AbortSignal): Promise<RunMark> {
    const watch = this.#watch(touched, machine, signal);
    touched.mark = watch.mark;
    try {
      await becomeHealthy(watch, 0);
      return watch.mark;
    } catch (error) {
      signal.throwIfAborted();
      throw explainAnswer(await explainSilence(error, watch.last, this.#options), watch.last);
    }
  }

  /** Machines that are down are no longer healthy: an undo need not spare them. */
  async #guard<Result>(watching: () => Promise<Result>): Promise<Result> {
    try {
      return await watching();
    } catch (error) {
      for (const touched of this.touched) if (!this.#vigil.isUp(touched.id)) touched.healthy = undefined;
      throw error;
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
      remind: (message) => voice.log(`machine ${touched.id}: ${message}`),
    });
  }
}

/** The API answered, and said no: nothing was carried out. */
function isRefusal(error: unknown): boolean {
  return (
    isRejected(error) ||
    (error instanceof DeployerError &&
      ['api_denied', 'api_unauthorized', 'app_not_found', 'api_rate_limited'].includes(error.code))
  );
}
