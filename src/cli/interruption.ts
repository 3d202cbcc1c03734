import { DeployerError } from '../lib/errors.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Where signals arrive: the process, as far as this room needs it. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/** The first SIGINT or SIGTERM asks the command to stop and undo; the second ends it at once. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #source: SignalSource;
  readonly #listener: (signal: NodeJS.Signals) => void;

  constructor(source: SignalSource, onFirst: () => void, onSecond: () => void) {
    this.#source = source;
    this.#listener = (signal) => {
      if (this.signal.aborted) return onSecond();
      onFirst();
      this.#controller.abort(new DeployerError('interrupted', `interrupted by ${signal}`));
    };
    for (const signal of SIGNALS) source.on(signal, this.#listener);
  }

  /** Aborted by the first signal, with a DeployerError `interrupted` as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  dispose(): void {
    for (const signal of SIGNALS) this.#source.off(signal, this.#listener);
  }
}
