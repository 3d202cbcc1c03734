import { closeSync, fstatSync, openSync, readSync, type BigIntStats } from 'node:fs';
import { BLOCK, LARGEST_HEADER, paddingAfter, writeTarHeader, type TarEntry } from '../../oci/tar.js';
import type { WriteOn } from '../upload.js';
import { asUnreadable, changed, READ_FILE } from './content.js';
import { ContextSize } from './size.js';
import { deviceOf, Slices, walkContext, type ContextEntry, type WalkOptions } from './walk.js';

export interface PackOptions extends Pick<WalkOptions, 'excluded'> {
  readonly signal?: AbortSignal;
  /** Files at the root of the archive, in the place of what the context has under that name. */
  readonly placed: ReadonlyMap<string, Buffer>;
  /** Told the bytes of content as they are packed. */
  readonly onPacked: (bytes: number) => void;
  /** Told of what is left out, and of a context that is large. */
  readonly onWarning: (message: string) => void;
}

/**
 * What is written at a time: each write has its price, of promises and turns of the event loop, which 64 KiB pay eight
 * times as often. From here on larger ones win nothing.
 */
const SLAB = 512 * 1024;
/** Behind a full slab, so that neither a header nor what follows a file's last byte has to be cut. */
const SPARE = LARGEST_HEADER + 3 * BLOCK;

/**
 * A build context as a tar archive, with what FileSync would send of it. In memory are two slabs, whatever the
 * context's size: one is filled while the other is written.
 *
 * Files are read in place, straight into the slab: system calls that wait their turn in a pool would take twice the
 * time, and memory that is new for each slab as long as the reading. The headers are this project's own (oci/tar.ts), as
 * the tar libraries make streams of every file.
 * @throws what `write` throws; DeployerError `context_unreadable`, naming the path: what can't be read, or is not as long
 *   as it was when its header was written. The archive then has no end, which no reader takes for whole.
 */
export async function packContext(root: string, options: PackOptions, write: WriteOn): Promise<void> {
  await new Packer(root, options, write).run();
}

class Packer {
  readonly #root: string;
  readonly #options: PackOptions;
  readonly #write: WriteOn;
  readonly #size = new ContextSize();
  readonly #slices: Slices;
  #slab = Buffer.allocUnsafeSlow(SLAB + SPARE);
  #used = 0;
  #other = Buffer.allocUnsafeSlow(SLAB + SPARE);
  /** Until then the other slab is being written. */
  #written: Promise<void> = Promise.resolve();
  /** The file that was opened last. */
  #opened: { readonly path: string; readonly file: number } | undefined;

  constructor(root: string, options: PackOptions, write: WriteOn) {
    this.#root = root;
    this.#options = options;
    this.#write = write;
    this.#slices = new Slices(options.signal);
  }

  async run(): Promise<void> {
    const { placed, onWarning } = this.#options;
    try {
      for (const [name, content] of placed) await this.#place(name, content);
      for (const entry of this.#walk()) {
        if (this.#slices.isOver()) await this.#slices.pause();
        if (entry === undefined || placed.has(entry.path)) continue;
        this.#size.add(entry);
        if (this.#room() < BLOCK) await this.#flush();
        this.#header(headerOf(entry));
        if (entry.kind !== 'file') continue;
        const size = Number(entry.stats.size);
        let read = this.#fill(entry, size, 0);
        while (read < size) {
          await this.#flush();
          read = this.#fill(entry, size, read);
        }
      }
    } finally {
      this.#close();
    }
    const warning = this.#size.warning();
    if (warning !== undefined) onWarning(warning);
    this.#zeros(2 * BLOCK);
    await this.#flush();
    await this.#written;
  }

  #walk(): ReturnType<typeof walkContext> {
    const { excluded, onWarning } = this.#options;
    return walkContext(this.#root, {
      ...(excluded === undefined ? {} : { excluded }),
      onLeftOut: (path, reason) => onWarning(`${path} is left out: ${reason}`),
      look: (path) => this.#look(path),
    });
  }

  /** One that can't be opened may be none that is packed. */
  #look(path: string): BigIntStats | undefined {
    try {
      return fstatSync(this.#open(path), { bigint: true });
    } catch {
      return undefined;
    }
  }

  #open(path: string): number {
    if (this.#opened?.path === path) return this.#opened.file;
    this.#close();
    const file = openSync(`${this.#root}/${path}`, READ_FILE);
    this.#opened = { path, file };
    return file;
  }

  #close(): void {
    if (this.#opened !== undefined) closeSync(this.#opened.file);
    this.#opened = undefined;
  }

  async #place(name: string, content: Buffer): Promise<void> {
    if (this.#room() < BLOCK) await this.#flush();
    this.#header({ name, type: '0', size: content.length, mode: 0o644, modified: 0 });
    for (let at = 0; at < content.length;) {
      if (this.#room() <= 0) await this.#flush();
      const copied = content.copy(this.#slab, this.#used, at, at + this.#room());
      this.#used += copied;
      at += copied;
    }
    this.#zeros(paddingAfter(content.length));
  }

  /**
   * Reads on in a file, as long as there is room. The last read asks for a byte more, by which a file shows that it has
   * grown.
   * @returns up to where it is read
   */
  #fill(entry: ContextEntry, size: number, from: number): number {
    let read = from;
    for (let isAtEnd = false; !isAtEnd;) {
      const room = this.#room();
      const left = size - read;
      if (left > 0 && room <= 0) break;
      const now = this.#read(entry.path, left > room ? room : left + 1, read);
      this.#used += now;
      read += now;
      isAtEnd = now === 0 || read >= size;
      if (isAtEnd && read !== size) throw changed(entry);
    }
    this.#options.onPacked(read - from);
    if (read === size) this.#zeros(paddingAfter(size));
    return read;
  }

  #read(path: string, length: number, position: number): number {
    try {
      return readSync(this.#open(path), this.#slab, this.#used, length, position);
    } catch (error) {
      throw asUnreadable(path, error);
    }
  }

  #header(entry: TarEntry): void {
    this.#used += writeTarHeader(this.#slab, this.#used, entry);
  }

  /** In a loop: a call of `fill` takes longer than the bytes of most. */
  #zeros(count: number): void {
    for (const end = this.#used + count; this.#used < end; this.#used += 1) this.#slab[this.#used] = 0;
  }

  #room(): number {
    return SLAB - this.#used;
  }

  async #flush(): Promise<void> {
    if (this.#slices.isOver()) await this.#slices.pause();
    await this.#written;
    this.#written = this.#write(this.#slab.subarray(0, this.#used));
    // It is awaited before the next is written; should the packing fail until then, that is what is told.
    this.#written.catch(() => undefined);
    [this.#slab, this.#other] = [this.#other, this.#slab];
    this.#used = 0;
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
