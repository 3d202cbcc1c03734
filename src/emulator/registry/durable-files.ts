import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Changes to the file system that are whole or not there at all, whenever the process or the machine ends, and that
 * are on the disk when they resolve. New content is written beside, in `tempDir` (of the same file system).
 */
export class DurableFiles {
  readonly #tempDir: string;

  constructor(tempDir: string) {
    this.#tempDir = tempDir;
  }

  /** Puts a small file in place, over one that may be there. `mode`: who may read it. */
  async write(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    const temp = join(this.#tempDir, randomUUID());
    try {
      const file = await open(temp, 'wx', mode);
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.move(temp, path);
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
  }

  /** Moves a file whose content is already synced, over one that may be there. */
  async move(source: string, path: string): Promise<void> {
    await makeFolder(dirname(path));
    await rename(source, path);
    await syncFolder(dirname(path));
  }

  /** Whether there was such a file to remove. */
  async remove(path: string): Promise<boolean> {
    try {
      await rm(path);
    } catch (error) {
      if (isNotThere(error)) return false;
      throw error;
    }
    await syncFolder(dirname(path));
    return true;
  }
}

async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  // A new folder is on the disk when the folder that names it is: from the leaf's parent up to the first's parent.
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) {
    await syncFolder(dirname(folder));
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isNotThere(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR');
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The names in a folder; none when there is no such folder, or it is something else. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return (await ifThere(readdir(folder))) ?? [];
}

/** `work`'s result; undefined when what it reads is not there. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}
