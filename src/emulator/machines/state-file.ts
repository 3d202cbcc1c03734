import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { DeployerError, messageOf } from '../../lib/errors.js';
import type { MachineRecord } from './machine.js';
import { MACHINE_STATES } from './machine.js';

export interface AppRecord {
  readonly id: string;
  readonly name: string;
  readonly organization: string;
  readonly network: string;
  readonly created_at: string;
  /** The loopback port of its proxy: taken again at the next start where it is still free. */
  readonly proxyPort?: number;
  readonly machines: readonly MachineRecord[];
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
  #next: PlatformState | undefined;
  #writing: Promise<void> | undefined;
  readonly #failed: (error: unknown) => void;

  /** @param failed hears of a write that failed */
  constructor(path: string, failed: (error: unknown) => void) {
    this.#path = path;
    this.#failed = failed;
  }

  /**
   * The state of the last run; undefined when there was none.
   * @throws DeployerError `usage` for a file that is not the emulator's; it is left as it is
   */
  async load(): Promise<PlatformState | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
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
      while (this.#next !== undefined) {
        const text = JSON.stringify(this.#next);
        this.#next = undefined;
        await replaceFile(this.#path, text);
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#writing = undefined;
    }
  }
}

/** Writes a file for its owner alone, whole or not at all. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
