import { closeSync, fstatSync, openSync, readSync, type BigIntStats } from 'node:fs';
import { BLOCK, LARGEST_HEADER, paddingAfter, writeTarHeader, type TarEntry } from '../../oci/tar.js';
import { asUnreadable, changed, contentOf, READ_FILE } from './content.js';
import { ContextSize } from './size.js';
import { deviceOf, Slices, walkInPlace, type ContextEntry, type WalkOptions } from './walk.js';

export interface PackOptions extends Pick<WalkOptions, 'excluded' | 'signal'> {
  /** Files at the root of the archive, in the place of what the context has under that name. */
  readonly placed: ReadonlyMap<string, Buffer>;
  /** Told the bytes of content as they are packed. */
  readonly onPacked: (bytes: number) => void;
  /** Told of what is left out, and of a context that is large. */
  readonly onWarning: (message: string) => void;
}

/** What is written at a time, at most. */
const SLAB = 1024 * 1024;
/** Up to here a file is read at once: system calls that wait their turn in a pool would take twice the time. */
const SMALL = 128 * 1024;
/** What the entry of a small file may take, and the byte by which it shows that it has grown. */
const ENTRY = LARGEST_HEADER + SMALL + BLOCK;

/**
 * A build context as a tar archive, with what FileSync would send of it. In memory is a slab at a time, whatever the
 * context's size.
 *
 * Of a small file nothing waits: many go into a slab, and only the slab is awaited. The headers are this project's own
 * (oci/tar.ts), as the tar libraries make streams of every file.
 * @throws DeployerError `context_unreadable`, naming the path: what can't be read, or is not as long as it was when its
 *   header was written. The archive then has no end, which no reader takes for whole.
 */
export async function* packContext(root: string, options: PackOptions): AsyncGenerator<Buffer> {
  yield* new Packer(root, options).run();
}

class Packer {
  readonly #root: string;
  readonly #options: PackOptions;
  readonly #size = new ContextSize();
  #slab = Buffer.allocUnsafeSlow(SLAB);
  #used = 0;
  /** The file that the walk looked at last, by opening it. */
  #opened: { readonly path: string; readonly file: number } | undefined;

  constructor(root: string, options: PackOptions) {
    this.#root = root;
    this.#options = options;
  }

  async *run(): AsyncGenerator<Buffer> {
    const { placed, signal, onWarning } = this.#options;
    const slices = new Slices(signal);
    try {
      for (const [name, content] of placed) {
        const { length: size } = content;
        if (this.#isFull(ENTRY)) yield this.#flush();
        this.#header({ name, type: '0', size, mode: 0o644, modified: 0 });
        yield* this.#add(content);
        yield* this.#add(Buffer.alloc(paddingAfter(size)));
      }
      for (const entry of this.#walk()) {
        if (slices.isOver()) await slices.pause();
        if (entry === undefined || placed.has(entry.path)) continue;
        this.#size.add(entry);
        if (this.#isFull(ENTRY)) yield this.#flush();
        this.#header(headerOf(entry));
        if (entry.kind !== 'file') continue;
        if (this.#opened?.path === entry.path && entry.stats.size <= SMALL) {
          this.#readAtOnce(entry, this.#opened.file);
        } else yield* this.#content(entry);
      }
    } finally {
      this.#close();
    }
    const warning = this.#size.warning();
    if (warning !== undefined) onWarning(warning);
    yield* this.#add(Buffer.alloc(2 * BLOCK));
    yield this.#slab.subarray(0, this.#used);
  }

  #walk(): ReturnType<typeof walkInPlace> {
    const { excluded, onWarning } = this.#options;
    return walkInPlace(this.#root, {
      ...(excluded === undefined ? {} : { excluded }),
      onLeftOut: (path, reason) => onWarning(`${path} is left out: ${reason}`),
      look: (path) => this.#look(path),
    });
  }

  /** One that can't be opened may be none that is packed. */
  #look(path: string): BigIntStats | undefined {
    this.#close();
    try {
      const file = openSync(`${this.#root}/${path}`, READ_FILE);
      this.#opened = { path, file };
      return fstatSync(file, { bigint: true });
    } catch {
      return undefined;
    }
  }

  #close(): void {
    if (this.#opened !== undefined) closeSync(this.#opened.file);
    this.#opened = undefined;
  }

  /** With room for what may be in an entry of a small file. */
  #readAtOnce(entry: ContextEntry, file: number): void {
    const size = Number(entry.stats.size);
    let read = 0;
    try {
      let now: number;
      // A byte more, by which a file shows that it has grown. Less than there is room for is the end of a file.
      do {
        now = readSync(file, this.#slab, this.#used + read, size + 1 - read, read);
        read += now;
      } while (now > 0 && read < size);
    } catch (error) {
      throw asUnreadable(entry.path, error);
    }
    if (read !== size) throw changed(entry);
    this.#used += size;
    this.#zeros(paddingAfter(size));
    this.#options.onPacked(size);
  }

  async *#content(entry: ContextEntry): AsyncGenerator<Buffer> {
    for await (const chunk of contentOf(this.#root, entry)) {
      yield* this.#add(chunk);
      this.#options.onPacked(chunk.length);
    }
    yield* this.#add(Buffer.alloc(paddingAfter(Number(entry.stats.size))));
  }

  #header(entry: TarEntry): void {
    this.#used += writeTarHeader(this.#slab, this.#used, entry);
  }

  /** In a loop: a call of `fill` takes longer than the bytes of most. */
  #zeros(count: number): void {
    for (const end = this.#used + count; this.#used < end; this.#used += 1) this.#slab[this.#used] = 0;
  }

  *#add(bytes: Buffer): Generator<Buffer> {
    if (this.#isFull(bytes.length)) yield this.#flush();
    if (bytes.length > SLAB) yield bytes;
    else this.#used += bytes.copy(this.#slab, this.#used);
  }

  #isFull(wanted: number): boolean {
    return this.#used + wanted > SLAB;
  }

  #flush(): Buffer {
    const full = this.#slab.subarray(0, this.#used);
    // The reader may hold on to the old one.
    this.#slab = Buffer.allocUnsafeSlow(SLAB);
    this.#used = 0;
    return full;
  }
}

function headerOf({ path, kind, stats, linkname }: ContextEntry): TarEntry {
  const entry: TarEntry = {
    name: kind === 'folder' ? `${path}/` : path,
    type: kind === 'device' ? deviceType(stats.mode) : TYPE_OF[kind],
    size: kind === 'file' ? Number(stats.size) : 0,
    mode: Number(stats.mode) & 0o7777,
    modified: Number(stats.mtimeNs / 1_000_000_000n),
  };
  if (linkname !== undefined) return { ...entry, linkname };
  return kind === 'device' ? { ...entry, device: deviceOf(stats.rdev) } : entry;
}

const TYPE_OF = { file: '0', hardlink: '1', symlink: '2', folder: '5', fifo: '6' } as const;

function deviceType(mode: bigint): '3' | '4' {
  return (mode & 0o170000n) === 0o020000n ? '3' : '4';
}
