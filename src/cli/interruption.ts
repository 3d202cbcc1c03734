import { systemClock, type Clock } from '../lib/clock.js';
import { DeployerError } from '../lib/errors.js';

/** Ctrl-C; what CI and service managers send; what a terminal sends that closes. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** One Ctrl-C can come twice: from the terminal, and from npx or another parent that passes on what it gets too. */
const ECHO_MS = 300;

/** Where signals arrive: the process, as far as this room needs it. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/**
 * The first signal, of whichever kind, asks the command to stop and undo. Only a Ctrl-C after it ends the command at
 * once: the other kinds come in a row from one wish (GitHub sends SIGINT and then SIGTERM, systemd SIGTERM and SIGHUP,
 * a terminal that closes SIGHUP twice), and must not cut the undo short. No more must the first one's own echo.
 * A command that has nothing to undo may take more kinds for such a second wish.
 */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #source: SignalSource;
  readonly #listener: (signal: NodeJS.Signals) => void;
  #firstAt = 0;

  constructor(
    source: SignalSource,
    onFirst: () => void,
    onSecond: () => void,
    clock: Pick<Clock, 'now'> = systemClock,
    endsAtOnce: readonly NodeJS.Signals[] = ['SIGINT'],
  ) {
    this.#source = source;
    this.#listener = (signal) => {
      if (this.signal.aborted) {
        if (endsAtOnce.includes(signal) && clock.now() - this.#firstAt >= ECHO_MS) onSecond();
        return;
      }
      this.#firstAt = clock.now();
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
