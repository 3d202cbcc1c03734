import { closeSync, openSync, writeSync } from 'node:fs';
import type { EventSink } from '../deploy/events.js';
import { DeployerError, messageOf } from '../lib/errors.js';
import type { EventView } from './deploy-view.js';
import { fileFault } from '../lib/file-fault.js';
import { say, type Io } from './io.js';

/**
 * `--events`: every event as one line of JSON. Each is written whole before the next thing happens, so that
 * a reader sees the deploy as it goes, and the file is complete whatever ends the process.
 */
export class NdjsonView implements EventView {
  readonly #io: Io;
  readonly #file: number | undefined;
  #broken = false;

  /**
   * @param destination a file, which is begun anew, or `-` for stdout
   * @throws DeployerError `usage` when the file can't be written
   */
  constructor(io: Io, destination: string) {
    this.#io = io;
    this.#file = destination === '-' ? undefined : open(destination);
  }

  readonly show: EventSink = (event) => {
    // Without bound: a build may print what it likes. How each of its steps ended is an event of its own.
    if (event.type === 'build') return;
    const line = `${JSON.stringify(this.#io.redactor.redactDocument(event))}\n`;
    if (this.#file === undefined) this.#io.stdout.write(line);
    else this.#append(this.#file, line);
  };

  close(): Promise<void> {
    if (this.#file !== undefined) closeSync(this.#file);
    return Promise.resolve();
  }

  // A disk that runs full must not end a deploy halfway: it is said once, and the rest is left out.
  #append(file: number, line: string): void {
    if (this.#broken) return;
    try {
      writeSync(file, line);
    } catch (error) {
      this.#broken = true;
      say(this.#io, `warning: no more events are written (--events): ${messageOf(error)}\n`);
    }
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'w', 0o644);
  } catch (error) {
    throw new DeployerError('usage', `--events: ${path} can't be written: ${fileFault(error)}`, {
      suggestions: ['name a file that can be written, or - for stdout'],
      cause: error,
    });
  }
}
