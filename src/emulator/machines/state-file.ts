import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { DurableFiles, ifThere } from '../registry/durable-files.js';
import { MACHINE_STATES, type MachineRecord } from './machine.js';

export interface AppRecord {
  readonly id: string;
  readonly name: string;
  readonly organization: string;
  readonly network: string;
  readonly created_at: string;
  /** The loopback port of its proxy: taken again at the next start where it is still free. */
  readonly proxyPort?: number;
  readonly addresses?: readonly AddressRecord[];
  readonly machines: readonly MachineRecord[];
}

/** A public address that the app was given. Nothing listens there. */
export interface AddressRecord {
  readonly ip: string;
  readonly region: string;
  readonly shared: boolean;
  readonly created_at: string;
}

export interface PlatformState {
  readonly version: 1;
  /** Tells this emulator's containers from another's. */
  readonly emulatorId: string;
  readonly apps: readonly AppRecord[];
}

// The file is the emulator's own: its frame is checked, so that another program's file or a torn one is not taken
// for it.
const frame = v.looseObject({
  version: v.literal(1),
  emulatorId: v.string(),
  apps: v.array(
    v.looseObject({
      name: v.string(),
      machines: v.array(v.looseObject({ id: v.string(), state: v.picklist(MACHINE_STATES) })),
    }),
  ),
});

/** The platform's state on disk, in one JSON file that is replaced whole: a crash leaves the old one or the new. */
export class StateFile {
  readonly #path: string;
  readonly #files: DurableFiles;
  #next: PlatformState | undefined;
  #writing: Promise<void> | undefined;
  readonly #failed: (error: unknown) => void;

  /**
   * @param folder of its own; made when it is not there
   * @param failed hears of a write that failed
   */
  constructor(folder: string, failed: (error: unknown) => void) {
    this.#path = join(folder, 'state.json');
    this.#files = new DurableFiles(folder);
    this.#failed = failed;
  }

  /**
   * The state of the last run; undefined when there was none.
   * @throws DeployerError `usage` for a file that is not the emulator's; it is left as it is
   */
  async load(): Promise<PlatformState | undefined> {
    const text = await ifThere(readFile(this.#path, 'utf8'));
    if (text === undefined) return undefined;
    try {
      return v.parse(frame, JSON.parse(text)) as unknown as PlatformState;
    } catch (error) {
      throw new DeployerError(
        'usage',
        `${this.#path} does not hold an emulator's state: ${messageOf(error)}`,
        {
          suggestions: ['move the file away, or name another folder with --data-dir'],
          cause: error,
        },
      );
    }
  }

  /** Writes the state soon; of several asked for in a row the last is written. */
  save(state: PlatformState): void {
    this.#next = state;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when all that was asked for is written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    try {
      await mkdir(dirname(this.#path), { recursive: true });
      while (this.#next !== undefined) {
        const text = JSON.stringify(this.#next);
        this.#next = undefined;
        // Configurations hold environments, and those hold secrets.
        await this.#files.write(this.#path, text, 0o600);
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#writing = undefined;
    }
  }
}
