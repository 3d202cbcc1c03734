import type { Clock } from '../../lib/clock.js';
import { isEngineAway } from '../runtime/bounded-engine.js';
import type { Instance, Runtime } from '../runtime/runtime.js';
import { CheckMonitor, checksOf, type CheckResult } from './check-monitor.js';
import type { Faults, StartFaults } from './faults.js';
import { pullReference } from './image-ref.js';
import { instanceSpec, type StopOrder } from './instance-spec.js';
import type { Exit, MachineRecord } from './machine.js';
import { restartDelayMs, shouldRestart } from './restart-policy.js';

/** Why a run is ended by order; a run that has none ended by itself. */
export type Ending = 'stop' | 'restart' | 'replace' | 'destroy' | 'shutdown' | 'failure';

/** How a process ended, and what follows from it. */
export interface RunExit extends Exit {
  readonly ending: Ending | undefined;
  readonly restarting: boolean;
  /** Restarts before this end. */
  readonly restarts: number;
  /** The last lines that it wrote, when it ended by itself. */
  readonly lastLines: readonly string[];
}

const NOT_STARTED: Exit = { exitCode: 1, oomKilled: false };

/** Who keeps the record hears of each step. */
export interface RunObserver {
  starting(): void;
  started(): void;
  exited(exit: RunExit): void;
  /** Its image is there, and it was not to be launched. */
  rested(): void;
  /** Something broke: the run is over. */
  failed(error: unknown): void;
}

export interface RunPorts {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly faults: Faults;
}

/** One launch of a machine, up to the end of its last restart: its process and its checks. */
export class MachineRun {
  readonly #app: string;
  readonly #machine: MachineRecord;
  readonly #ports: RunPorts;
  readonly #observer: RunObserver;
  readonly #abort = new AbortController();
  #ending: Ending | undefined;
  #instance: Instance | undefined;
  #monitor: CheckMonitor | undefined;
  #suspended = false;

  /** Nothing of it runs any more. Never rejects: the observer has heard what broke. */
  readonly done: Promise<void>;

  /** @param machine as it is launched; `launch` false: only its image is got ready */
  constructor(app: string, machine: MachineRecord, ports: RunPorts, observer: RunObserver) {
    this.#app = app;
    this.#machine = machine;
    this.#ports = ports;
    this.#observer = observer;
    this.done = this.#supervise();
  }

  /** The process; undefined while there is none. */
  get instance(): Instance | undefined {
    return this.#instance;
  }

  /** Results of the checks; undefined while no process runs. */
  checks(): readonly CheckResult[] | undefined {
    return this.#monitor?.results();
  }

  /** From now on what ends it is by order: no process is started any more. */
  willEnd(ending: Ending): void {
    this.#ending = ending;
    if (this.#instance === undefined) this.#abort.abort();
  }

  /** Ends its process, if there is one, and resolves when all has ended. To be called after `willEnd`. */
  async end(order: StopOrder): Promise<void> {
    const instance = this.#instance;
    if (instance !== undefined) {
      if (this.#suspended) await instance.resume();
      this.#suspended = false;
      await instance.stop(order.signal, order.timeoutMs);
    }
    await this.done;
  }

  async suspend(): Promise<void> {
    this.#monitor?.stop();
    await this.#instance?.suspend();
    this.#suspended = true;
  }

  async resume(): Promise<void> {
    if (this.#instance === undefined) return;
    await this.#instance.resume();
    this.#suspended = false;
    this.#watchChecks(this.#instance, undefined);
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#abort;
    try {
      await this.#ports.runtime.prepare(pullReference(this.#machine.image_ref), signal);
      signal.throwIfAborted();
      if (!this.#machine.launch) {
        this.#observer.rested();
        return;
      }
      for (let restarts = 0; await this.#tryOnce(restarts); restarts += 1) {
        await this.#ports.clock.sleep(restartDelayMs(restarts + 1), signal);
      }
    } catch (error) {
      if (!signal.aborted) this.#observer.failed(error);
    }
  }

  // An engine that is restarted takes its containers with it, and is not back when they are to start: a try like others.
  async #tryOnce(restarts: number): Promise<boolean> {
    try {
      return await this.#runOnce(restarts);
    } catch (error) {
      const { restart } = this.#machine.config;
      if (isEngineAway(error) && restarts > 0 && shouldRestart(restart, NOT_STARTED, restarts)) return true;
      throw error;
    }
  }

  // Whether it is to be started again.
  async #runOnce(restarts: number): Promise<boolean> {
    const { signal } = this.#abort;
    const faults = this.#ports.faults.forStart(this.#machine);
    this.#observer.starting();
    if (faults.neverStarts) await untilAborted(signal);
    const instance = await this.#ports.runtime.start(instanceSpec(this.#app, this.#machine), signal);
    this.#instance = instance;
    const ended = new AbortController();
    let exit: Exit;
    let lastLines: readonly string[] = [];
    try {
      signal.throwIfAborted();
      this.#watchChecks(instance, faults.checks);
      this.#observer.started();
      exit = await Promise.race([instance.exit, this.#scriptedExit(faults, ended.signal)]);
      if (this.#ending === undefined) lastLines = await instance.lastLines(5);
    } finally {
      ended.abort();
      this.#instance = undefined;
      this.#suspended = false;
      this.#monitor?.stop();
      this.#monitor = undefined;
      await instance.remove();
    }
    const ending = this.#ending;
    const restarting = ending === undefined && shouldRestart(this.#machine.config.restart, exit, restarts);
    this.#observer.exited({ ...exit, ending, restarting, restarts, lastLines });
    return restarting;
  }

  #watchChecks(instance: Instance, faults: StartFaults['checks']): void {
    this.#monitor = new CheckMonitor({
      checks: checksOf(this.#machine.config),
      ports: instance.ports,
      simulated: this.#ports.runtime.name === 'none',
      faults,
      clock: this.#ports.clock,
    });
  }

  async #scriptedExit({ crash }: StartFaults, ended: AbortSignal): Promise<Exit> {
    if (crash === undefined) return untilAborted(ended);
    await this.#ports.clock.sleep(crash.afterMs, ended);
    return crash;
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
}
