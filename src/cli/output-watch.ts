import { DeployerError } from '../lib/errors.js';
import type { Output } from '../ui/io.js';

type Listener = (error: NodeJS.ErrnoException) => void;

/**
 * Keeps a stream that breaks (its disk full, its reader or its terminal gone) from ending the process: what can't be
 * written is dropped, and the first failure kept. oclif and Node end the process for all but a reader that went
 * away, which would leave a deploy halfway and its leases taken.
 */
export class OutputWatch {
  readonly #stream: Output;
  #others: readonly Listener[] = [];
  #failure: NodeJS.ErrnoException | undefined;

  constructor(stream: Output) {
    this.#stream = stream;
    this.takeOver();
  }

  /** Takes the stream's failures from whoever listens for them by now. */
  takeOver(): void {
    this.#others = this.#stream.rawListeners('error') as Listener[];
    this.#stream.removeAllListeners('error');
    this.#stream.on('error', this.#keep);
  }

  /** Why something was not written. A reader that went away (`| head`) had enough: that is no failure. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Resolves when all that was written has left or failed. */
  async settle(): Promise<void> {
    if (this.#stream.writableLength > 0) {
      await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
    }
    // A failure is told after the write's own callback.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Gives the stream back to whoever listened before. */
  release(): void {
    this.#stream.off('error', this.#keep);
    for (const listener of this.#others) this.#stream.on('error', listener);
  }

  readonly #keep: Listener = (error) => {
    if (error.code !== 'EPIPE') this.#failure ??= error;
  };
}

/** What was asked for is done, and could not be told: no bug, and no reason to do it again. */
export function untold(failure: Error): DeployerError {
  return new DeployerError('output_failed', `the result could not be written to stdout: ${failure.message}`, {
    evidence: ['what was asked for is done; only its report is missing'],
    suggestions: ['make room where stdout goes, or send it elsewhere'],
    cause: failure,
  });
}
