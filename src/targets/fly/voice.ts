import type { ReleaseContext } from '../target.js';

/** How a release speaks: what goes on, with how many machines are done, and lines to keep. */
export class Voice {
  readonly #report: ReleaseContext['report'];
  readonly #total: number;
  #done = 0;

  constructor(report: ReleaseContext['report'], total: number) {
    this.#report = report;
    this.#total = total;
  }

  progress(message: string): void {
    this.#report({ type: 'progress', message, healthy: this.#done, total: this.#total });
  }

  log(message: string): void {
    this.#report({ type: 'log', level: 'info', message });
  }

  warn(message: string): void {
    this.#report({ type: 'log', level: 'warning', message });
  }

  /** `[2/3] machine e784: healthy` */
  machineDone(id: string, how: string): void {
    this.#done += 1;
    this.log(`[${this.#done}/${this.#total}] machine ${id}: ${how}`);
  }
}
