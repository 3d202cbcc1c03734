import { ApiError } from '../machines/api-error.js';
import type { Exit } from '../machines/machine.js';
import type { Instance, Runtime } from './runtime.js';

/** Machines that are records only: they "run" until they are stopped. Every one says that it is simulated. */
export function noRuntime(why: string): Runtime {
  return {
    name: 'none',
    description: why,
    prepare: () => Promise.resolve(),
    start: () => Promise.resolve(new SimulatedInstance()),
    removeLeftovers: () => Promise.resolve(),
    close: () => undefined,
  };
}

class SimulatedInstance implements Instance {
  readonly ports: ReadonlyMap<number, number> = new Map();
  readonly exit: Promise<Exit>;
  #end: (exit: Exit) => void = () => undefined;

  constructor() {
    this.exit = new Promise((resolve) => (this.#end = resolve));
  }

  stop(signal: string): Promise<void> {
    this.#end({ exitCode: signal === 'SIGKILL' ? 137 : 0, oomKilled: false });
    return Promise.resolve();
  }

  signal(signal: string): Promise<void> {
    return signal === 'SIGKILL' || signal === 'SIGTERM' || signal === 'SIGINT'
      ? this.stop(signal)
      : Promise.resolve();
  }

  suspend(): Promise<void> {
    return Promise.resolve();
  }

  resume(): Promise<void> {
    return Promise.resolve();
  }

  processes(): Promise<never> {
    return Promise.reject(new ApiError('unimplemented', 'this machine is simulated: no process runs'));
  }

  lastLines(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  remove(): Promise<void> {
    return this.stop('SIGKILL');
  }
}
