import type { Stats } from 'node:fs';
import { lstat, open, readlink, rename, rm, type FileHandle } from 'node:fs/promises';
import { DeployerError } from '../../lib/errors.js';
import { writing } from './blob-writer.js';
import { partOf } from './part-file.js';

/** A file that gets its name when it is whole. Until then, and after a failure, what was there is as it was. */
export class WholeFile {
  readonly handle: FileHandle;
  readonly #path: string;
  readonly #fresh: string;
  #kept = false;

  private constructor(path: string, fresh: string, handle: FileHandle) {
    this.#path = path;
    this.#fresh = fresh;
    this.handle = handle;
  }

  /** @throws DeployerError `usage` where something else than a file is, `push_failed` when none can be made */
  static async create(path: string): Promise<WholeFile> {
    const there = await fileAt(path);
    // Of a new name, and only if that is not there: it must not lead through a link that someone else has put there.
    const fresh = await partOf(path);
    const handle = await writing(path, () => open(fresh, 'wx', 0o644));
    const whole = new WholeFile(path, fresh, handle);
    if (there !== undefined) await writing(path, () => handle.chmod(there.mode & 0o777));
    return whole;
  }

  /**
   * Puts it in the place of the file that was there, once its bytes are on the disk: a name that outlives a loss of
   * power must not mean half a file. That the name does is for `syncFolder`.
   */
  async keep(): Promise<void> {
    await fileAt(this.#path);
    await writing(this.#path, async () => {
      await this.handle.sync();
      await this.handle.close();
      await rename(this.#fresh, this.#path);
    });
    this.#kept = true;
  }

  /** Takes it away again, unless it was kept. */
  async drop(): Promise<void> {
    if (this.#kept) return;
    await this.handle.close();
    await rm(this.#fresh, { force: true });
  }
}

/** Writes the names in a folder to the disk: what is named after this is on it with all that was named before. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await openFolder(path);
  if (folder === undefined) return;
  try {
    await writing(path, () => folder.sync());
  } finally {
    await folder.close();
  }
}

/** Undefined where it can't be: Windows opens no folder, and one may be written to that may not be read. */
async function openFolder(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['EACCES', 'EPERM', 'EISDIR'].includes(code)) return undefined;
    return writing(path, () => Promise.reject(error as Error));
  }
}

/**
 * The regular file of this name; undefined when there is nothing yet.
 * @throws DeployerError `usage` for anything else: a rename puts a file in the place of a device, pipe, socket or link,
 *   and who reads there waits for ever
 */
export async function fileAt(path: string): Promise<Stats | undefined> {
  let found: Stats;
  try {
    found = await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return writing(path, () => Promise.reject(error as Error));
  }
  if (found.isFile()) return found;
  const what = found.isSymbolicLink() ? `a link to ${await readlink(path)}` : kindOf(found);
  throw new DeployerError('usage', `${path} is ${what}, and is left as it is: only a file is replaced`, {
    suggestions: [found.isSymbolicLink() ? 'name the file that it leads to' : 'name a file'],
  });
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}
