import { closeSync, fstatSync, openSync, readSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { BLOCK, LARGEST_HEADER, paddingAfter, writeTarHeader, type TarEntry } from '../../oci/tar.js';
import { asUnreadable, changed, contentOf, READ_FILE } from './content.js';
import { ContextSize } from './size.js';
import { deviceOf, walkContext, type ContextEntry, type WalkOptions } from './walk.js';

export interface PackOptions extends Pick<WalkOptions, 'excluded' | 'signal'> {
  /** Files at the root of the archive, in the place of what the context has under that name. */
  readonly placed: ReadonlyMap<string, Buffer>;
  /** Told the bytes of content as they are packed. */
  readonly onPacked: (bytes: number) => void;
  /** Told of what is left out, and of a context that is large. */
  readonly onWarning: (message: string) => void;
}

/** What is written at a time. */
const SLAB = 512 * 1024;
/** Up to here a file is read at once: system calls that wait their turn in a pool would take twice the time. */
const SMALL = 128 * 1024;

/**
 * A build context as a tar archive, with what FileSync would send of it. In memory is a slab at a time, whatever the
 * context's size.
 *
 * The headers are this project's own (oci/tar.ts): tar-stream makes three streams of every file, which takes five
 * times as long as `tar -c` with 50,000 small ones, and modern-tar two of the web's.
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
    const { placed, onWarning } = this.#options;
    try {
      for (const [name, content] of placed) {
        const { length: size } = content;
        yield* this.#header({ name, type: '0', size, mode: 0o644, modified: 0 });
        yield* this.#add(content);
        yield* this.#pad(content.length);
      }
      for await (const entry of this.#walk()) {
        if (placed.has(entry.path)) continue;
        this.#size.add(entry);
        yield* this.#header(headerOf(entry));
        if (entry.kind === 'file') yield* this.#content(entry);
      }
    } finally {
      this.#close();
    }
    const warning = this.#size.warning();
    if (warning !== undefined) onWarning(warning);
    yield* this.#add(Buffer.alloc(2 * BLOCK));
    yield this.#slab.subarray(0, this.#used);
  }

  #walk(): AsyncGenerator<ContextEntry> {
    const { excluded, signal, onWarning } = this.#options;
    return walkContext(this.#root, {
      ...(excluded === undefined ? {} : { excluded }),
      ...(signal === undefined ? {} : { signal }),
      onLeftOut: (path, reason) => onWarning(`${path} is left out: ${reason}`),
      look: (path) => this.#look(path),
    });
  }

  /** One that can't be opened may be none that is packed. */
  #look(path: string): BigIntStats | undefined {
    this.#close();
    try {
      const file = openSync(join(this.#root, path), READ_FILE);
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

  async *#content(entry: ContextEntry): AsyncGenerator<Buffer> {
    const size = Number(entry.stats.size);
    if (size <= SMALL && this.#opened?.path === entry.path) {
      // With room for one byte more, by which a file shows that it has grown.
      if (this.#used + size + 1 > SLAB) yield this.#flush();
      this.#readAtOnce(entry, this.#opened.file, size);
    } else {
      for await (const chunk of contentOf(this.#root, entry)) {
        yield* this.#add(chunk);
        this.#options.onPacked(chunk.length);
      }
    }
    yield* this.#pad(size);
  }

  #readAtOnce(entry: ContextEntry, file: number, size: number): void {
    let read = 0;
    try {
      let now: number;
      // Less than there is room for is the end of a file.
      do {
        now = readSync(file, this.#slab, this.#used + read, size + 1 - read, read);
        read += now;
      } while (now > 0 && read < size);
    } catch (error) {
      throw asUnreadable(entry.path, error);
    }
    if (read !== size) throw changed(entry);
    this.#used += size;
    this.#options.onPacked(size);
  }

  *#header(entry: TarEntry): Generator<Buffer> {
    if (this.#used + LARGEST_HEADER > SLAB) yield this.#flush();
    this.#used += writeTarHeader(this.#slab, this.#used, entry);
  }

  *#pad(size: number): Generator<Buffer> {
    const padding = paddingAfter(size);
    if (this.#used + padding > SLAB) yield this.#flush();
    this.#slab.fill(0, this.#used, this.#used + padding);
    this.#used += padding;
  }

  *#add(bytes: Buffer): Generator<Buffer> {
    if (this.#used + bytes.length > SLAB) yield this.#flush();
    if (bytes.length > SLAB) yield bytes;
    else this.#used += bytes.copy(this.#slab, this.#used);
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
  return {
    name: kind === 'folder' ? `${path}/` : path,
    type: kind === 'device' ? deviceType(stats.mode) : TYPE_OF[kind],
    size: kind === 'file' ? Number(stats.size) : 0,
    mode: Number(stats.mode & 0o7777n),
    modified: Number(stats.mtimeNs / 1_000_000_000n),
    ...(linkname === undefined ? {} : { linkname }),
    ...(kind === 'device' ? { device: deviceOf(stats.rdev) } : {}),
  };
}

const TYPE_OF = { file: '0', hardlink: '1', symlink: '2', folder: '5', fifo: '6' } as const;

function deviceType(mode: bigint): '3' | '4' {
  return (mode & 0o170000n) === 0o020000n ? '3' : '4';
}
