import { isUtf8 } from 'node:buffer';
import { lstatSync, readdirSync, readlinkSync, type BigIntStats, type Dirent } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { FolderMatch, PathMatch, PatternMatcher } from './pattern-matcher.js';

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
}

/** milliseconds for which nothing else gets its turn */
const SLICE = 10;

/** Work in place, a slice of time at once. */
export class Slices {
  readonly #signal: AbortSignal | undefined;
  #end = performance.now() + SLICE;

  /** @throws the signal's reason, here and after each pause */
  constructor(signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    this.#signal = signal;
  }

  isOver(): boolean {
    return performance.now() >= this.#end;
  }

  async pause(): Promise<void> {
    await setImmediate();
    this.#signal?.throwIfAborted();
    this.#end = performance.now() + SLICE;
  }
}

/**
 * What lies below a folder, a folder before its content, names sorted bytewise. A folder that is excluded, or not
 * among the included, is told all the same when something in it is not. Links are not followed.
 *
 * The system calls are made in place: each would take ten times as long through the pool of threads, which is seconds
 * with 100,000 files. Who asks makes the pauses (`Slices`): undefined stands for what is passed over, which takes its
 * time too.
 * @throws DeployerError `context_unreadable`, naming the path
 */
export function walkContext(root: string, options: WalkOptions = {}): Found {
  return new Walk(root, options).folder({ path: '', excluded: undefined, included: undefined });
}

interface Folder {
  /** `` for the root */
  readonly path: string;
  readonly excluded: FolderMatch | undefined;
  readonly included: FolderMatch | undefined;
}

type Found = Generator<ContextEntry | undefined>;

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

  *folder(folder: Folder): Found {
    for (const found of this.#read(folder.path)) {
      const { path, isUtf8 } = pathOf(found.name, folder.path);
      const excluded = this.#options.excluded?.match(path, folder.excluded);
      const included = this.#options.included?.match(path, folder.included);
      if (this.#isPassedOver(path, found, excluded, included)) {
        yield undefined;
        continue;
      }
      if (!isUtf8) throw unreadable(path, 'its name is not UTF-8');
      const stats = this.#stat(path, found);
      if (stats.isDirectory()) yield* this.#inFolder(path, stats, excluded, included);
      else {
        const isTaken = excluded?.isMatched !== true && included?.isMatched !== false;
        const entry = isTaken ? this.#describe(path, stats) : undefined;
        if (entry !== undefined && this.#owed.length > 0) yield* this.#owed.splice(0);
        yield entry;
      }
    }
  }

  /** What is not told, and no folder in which something may be, is not even looked at. */
  #isPassedOver(
    path: string,
    found: Dirent,
    excluded: PathMatch | undefined,
    included: PathMatch | undefined,
  ): boolean {
    const isFolder = found.isDirectory();
    if (excluded?.isMatched === true && !(isFolder && this.#options.excluded?.mayTakeBackIn(path) === true))
      return true;
    return included?.isMatched === false && !(isFolder && this.#options.included?.mayMatchIn(path) === true);
  }

  /** Names with a character for a byte: their order is that of the bytes, and buffers would take far longer. */
  #read(folder: string): Dirent[] {
    const found = reading(folder, () =>
      readdirSync(this.#place(folder), { encoding: 'latin1', withFileTypes: true }),
    );
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  *#inFolder(
    path: string,
    stats: BigIntStats,
    excluded: PathMatch | undefined,
    included: PathMatch | undefined,
  ): Found {
    const entry: ContextEntry = { path, kind: 'folder', stats };
    if (excluded?.isMatched === true || included?.isMatched === false) this.#owed.push(entry);
    else {
      yield* this.#owed.splice(0);
      yield entry;
    }
    yield* this.folder({ path, excluded: excluded?.folder, included: included?.folder });
    if (this.#owed.at(-1) === entry) this.#owed.pop();
  }

  #place(path: string): string {
    return path === '' ? this.#root : `${this.#root}/${path}`;
  }

  #stat(path: string, found: Dirent): BigIntStats {
    const looked = found.isFile() ? this.#options.look?.(path) : undefined;
    return looked ?? reading(path, () => lstatSync(this.#place(path), { bigint: true }));
  }

  #describe(path: string, stats: BigIntStats): ContextEntry | undefined {
    if (stats.isSymbolicLink()) {
      const linkname = reading(path, () => readlinkSync(this.#place(path)));
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

/**
 * A name that is no UTF-8 can't go over the wire, and the file is not found under what is read of it.
 * @param name of a byte a character
 */
function pathOf(name: string, folder: string): { readonly path: string; readonly isUtf8: boolean } {
  const bytes = ASCII.test(name) ? undefined : Buffer.from(name, 'latin1');
  const text = bytes === undefined ? name : bytes.toString('utf8');
  const path = folder === '' ? text : `${folder}/${text}`;
  return { path, isUtf8: bytes === undefined || isUtf8(bytes) };
}

const ASCII = /^[\0-\x7f]*$/;

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
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
