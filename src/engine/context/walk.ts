import { isUtf8 } from 'node:buffer';
import type { BigIntStats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { FolderMatch, PatternMatcher } from './pattern-matcher.js';

export interface ContextEntry {
  /** below the root, with `/` */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'symlink' | 'hardlink' | 'fifo' | 'device';
  readonly stats: BigIntStats;
  /** of a symlink, its target; of a hard link, the path that was told first */
  readonly linkname?: string;
}

export interface WalkOptions {
  readonly excluded?: PatternMatcher;
  /** Only these, and what lies in them; everything unless told. */
  readonly included?: PatternMatcher;
  /** Told of what can't be sent and is left out. */
  readonly onLeftOut?: (path: string, reason: string) => void;
  /**
   * Looks at what its folder says is a file, right before it is told: for one who opens each anyway. What it answers
   * nothing for is looked at as all else.
   */
  readonly look?: (path: string) => BigIntStats | undefined;
  readonly signal?: AbortSignal;
}

/**
 * What lies below a folder, a folder before its content, names sorted bytewise. A folder that is excluded, or not
 * among the included, is told all the same when something in it is not. Links are not followed.
 * @throws DeployerError `context_unreadable`, naming the path
 */
export async function* walkContext(root: string, options: WalkOptions = {}): AsyncGenerator<ContextEntry> {
  yield* new Walk(root, options).folder({ path: '', excluded: undefined, included: undefined });
}

interface Folder {
  /** `` for the root */
  readonly path: string;
  readonly excluded: FolderMatch | undefined;
  readonly included: FolderMatch | undefined;
}

/** System calls that wait at the same time. */
const AT_ONCE = 64;

class Walk {
  readonly #root: string;
  readonly #options: WalkOptions;
  /** The first path of each file with several names. */
  readonly #firstPaths = new Map<string, string>();
  /** The folders, down to where the walk is, that have not been told because nothing in them was yet. */
  readonly #owed: ContextEntry[] = [];

  constructor(root: string, options: WalkOptions) {
    this.#root = root;
    this.#options = options;
  }

  async *folder(folder: Folder): AsyncGenerator<ContextEntry> {
    const found = (
      await reading(folder.path, () =>
        readdir(join(this.#root, folder.path), { encoding: 'buffer', withFileTypes: true }),
      )
    )
      .sort((a, b) => Buffer.compare(a.name, b.name))
      .map((entry) => ({ path: this.#pathOf(entry.name, folder.path), isFile: entry.isFile() }));
    const atOnce = this.#options.look === undefined ? AT_ONCE : 1;
    for (let at = 0; at < found.length; at += atOnce) {
      this.#options.signal?.throwIfAborted();
      const batch = found.slice(at, at + atOnce);
      const stats = await Promise.all(batch.map(({ path, isFile }) => this.#stat(path, isFile, folder)));
      for (const [index, { path }] of batch.entries()) {
        const looked = stats[index];
        if (looked !== undefined) yield* this.#entry(path, looked, folder);
      }
    }
  }

  /** A name that is no UTF-8 can't go over the wire. */
  #pathOf(bytes: Buffer, folder: string): string {
    const name = bytes.toString('utf8');
    if (!isUtf8(bytes)) throw unreadable(`${folder}/${name}`, 'its name is not UTF-8');
    return folder === '' ? name : `${folder}/${name}`;
  }

  /** What is excluded, and no folder in which something may not be, is not even looked at. */
  async #stat(path: string, isFile: boolean, { excluded }: Folder): Promise<BigIntStats | undefined> {
    const matcher = this.#options.excluded;
    if (matcher?.match(path, excluded).isMatched === true && !matcher.mayTakeBackIn(path)) return undefined;
    const looked = isFile ? this.#options.look?.(path) : undefined;
    return looked ?? reading(path, () => lstat(join(this.#root, path), { bigint: true }));
  }

  async *#entry(path: string, stats: BigIntStats, folder: Folder): AsyncGenerator<ContextEntry> {
    const excluded = this.#options.excluded?.match(path, folder.excluded);
    const included = this.#options.included?.match(path, folder.included);
    const isTaken = excluded?.isMatched !== true && included?.isMatched !== false;
    const isFolder = stats.isDirectory();
    if (!isTaken && !isFolder) return;
    const entry: ContextEntry | undefined = isFolder
      ? { path, kind: 'folder', stats }
      : await this.#describe(path, stats);
    if (entry === undefined) return;
    if (isTaken) {
      yield* this.#owed.splice(0);
      yield entry;
    } else this.#owed.push(entry);
    if (!isFolder) return;
    yield* this.folder({ path, excluded: excluded?.folder, included: included?.folder });
    if (this.#owed.at(-1) === entry) this.#owed.pop();
  }

  async #describe(path: string, stats: BigIntStats): Promise<ContextEntry | undefined> {
    if (stats.isSymbolicLink()) {
      const linkname = await reading(path, () => readlink(join(this.#root, path)));
      return { path, kind: 'symlink', stats, linkname };
    }
    if (stats.isSocket()) {
      this.#options.onLeftOut?.(path, 'a socket can not be sent');
      return undefined;
    }
    if (stats.isFIFO()) return { path, kind: 'fifo', stats };
    if (!stats.isFile()) return { path, kind: 'device', stats };
    const linkname = stats.nlink > 1n ? this.#firstPathOf(stats, path) : undefined;
    return linkname === undefined
      ? { path, kind: 'file', stats }
      : { path, kind: 'hardlink', stats, linkname };
  }

  #firstPathOf({ dev, ino }: BigIntStats, path: string): string | undefined {
    const key = `${dev}:${ino}`;
    const first = this.#firstPaths.get(key);
    if (first === undefined) this.#firstPaths.set(key, path);
    return first;
  }
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw unreadable(path, (error as NodeJS.ErrnoException).code ?? 'unknown error', error);
  }
}

/** @param path below the context's root */
export function unreadable(path: string, reason: string, cause?: unknown): DeployerError {
  return new DeployerError(
    'context_unreadable',
    `${cleanLine(path === '' ? '.' : path)} of the build context can't be read: ${reason}`,
    {
      suggestions: ['check its owner and mode, or leave it out: name it in the .dockerignore'],
      cause,
    },
  );
}

/** Linux's way to keep both numbers in one (makedev). */
export function deviceOf(rdev: bigint): { readonly major: number; readonly minor: number } {
  return { major: Number((rdev >> 8n) & 0xfffn), minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n)) };
}
