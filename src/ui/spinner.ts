import type { Ora } from 'ora';
import { say, type Io } from './io.js';

const DRAW_EVERY_MS = 100;

/** Shows on a terminal that something of unknown length goes on, while `work` does; nothing elsewhere. */
export async function withSpinner<T>(io: Io, text: string, work: () => Promise<T>): Promise<T> {
  if (!io.interactive || io.quiet) return work();
  const spinner = new SpinnerLine(io, text);
  try {
    return await work();
  } finally {
    await spinner.close();
  }
}

/** A line on a terminal that is drawn over, below those that stay. ora is loaded only where it is seen. */
export class SpinnerLine {
  readonly #io: Io;
  readonly #loading: Promise<Ora>;
  #spinner: Ora | undefined;
  #drawnAt = -Infinity;

  constructor(io: Io, text: string) {
    this.#io = io;
    this.#loading = this.#start(text);
  }

  /** Puts a line that stays above it. */
  interject(line: string): void {
    this.#spinner?.clear();
    say(this.#io, `${line}\n`);
    this.#spinner?.render();
  }

  async close(): Promise<void> {
    (await this.#loading).stop();
  }

  /** @param atOnce otherwise what comes soon after another is left out */
  protected redraw(text: () => string, atOnce = false): void {
    const now = performance.now();
    if (this.#spinner === undefined || (!atOnce && now - this.#drawnAt < DRAW_EVERY_MS)) return;
    this.#drawnAt = now;
    this.#spinner.text = text();
  }

  async #start(text: string): Promise<Ora> {
    const { default: ora } = await import('ora');
    // discardStdin would take the terminal's own Ctrl-C away.
    this.#spinner = ora({ stream: this.#io.stderr, discardStdin: false, text }).start();
    return this.#spinner;
  }
}
