import { constants, createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { fileFault } from '../../lib/file-fault.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import {
  BLOCK,
  isEndBlock,
  paddingAfter,
  parsePax,
  parseTarHeader,
  textOf,
  type TarHeader,
} from '../../oci/tar.js';
import { damaged, readChunks, type ImageFiles } from './image-files.js';

/** Where a file's bytes lie in the archive, or what it is a link to. */
type Entry = { readonly at: number; readonly size: number } | { readonly linkTo: string };

const MOST_ENTRIES = 100_000;
/** Of a pax header or a GNU long name. */
const EXTENSION_LIMIT = 1024 * 1024;
const DEEPEST_LINK = 8;

/**
 * The files of a tar archive, read where they lie: memory and time do not grow with its size. One that is gzipped is
 * unpacked into a temporary file first.
 */
export class TarFiles implements ImageFiles {
  readonly #archive: string;
  readonly #file: FileHandle;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #unpacked: string | undefined;

  private constructor(
    archive: string,
    file: FileHandle,
    entries: ReadonlyMap<string, Entry>,
    unpacked: string | undefined,
  ) {
    this.#archive = archive;
    this.#file = file;
    this.#entries = entries;
    this.#unpacked = unpacked;
  }

  /**
   * @param tempFolder where a gzipped archive is unpacked
   * @throws DeployerError `image_file_not_found`, `image_file_invalid`
   */
  static async open(archive: string, tempFolder: string, signal?: AbortSignal): Promise<TarFiles> {
    const packed = await openArchive(archive);
    if (!(await isGzip(packed))) return TarFiles.#read(archive, packed, undefined);
    await packed.close();
    const folder = await mkdtemp(join(tempFolder, 'deployer-archive-'));
    try {
      const file = join(folder, 'archive.tar');
      await pipeline(createReadStream(archive), createGunzip(), createWriteStream(file, { mode: 0o600 }), {
        ...(signal === undefined ? {} : { signal }),
      });
      return await TarFiles.#read(archive, await open(file), folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      signal?.throwIfAborted();
      if (error instanceof DeployerError) throw error;
      throw damaged(archive, `it can't be unpacked: ${messageOf(error)}`);
    }
  }

  static async #read(archive: string, file: FileHandle, unpacked: string | undefined): Promise<TarFiles> {
    try {
      return new TarFiles(archive, file, await readEntries(archive, file), unpacked);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  nameOf(path: string): string {
    return `${this.#archive}: ${cleanLine(path, 200)}`;
  }

  sizeOf(path: string): Promise<number | undefined> {
    return Promise.resolve(this.#find(path)?.size);
  }

  async *chunks(path: string, start: number): AsyncGenerator<Uint8Array> {
    const entry = this.#find(path);
    if (entry === undefined) throw damaged(this.nameOf(path), 'it is missing');
    yield* readChunks(this.#file, entry.at + start, entry.at + entry.size, this.nameOf(path));
  }

  async close(): Promise<void> {
    await this.#file.close();
    if (this.#unpacked !== undefined) await rm(this.#unpacked, { recursive: true, force: true });
  }

  /** Follows links, which docker's archives hold where two images share a layer; none leads out of the archive. */
  #find(path: string): { readonly at: number; readonly size: number } | undefined {
    let name = posix.normalize(path);
    for (let depth = 0; depth < DEEPEST_LINK; depth += 1) {
      const entry = this.#entries.get(name);
      if (entry === undefined) return undefined;
      if ('at' in entry) return entry;
      name = entry.linkTo;
    }
    throw damaged(this.nameOf(path), 'its links lead round in a circle');
  }
}

async function openArchive(archive: string): Promise<FileHandle> {
  try {
    // A pipe with nobody at its other end would keep it waiting.
    const file = await open(archive, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    throw new DeployerError(
      'image_file_not_found',
      `docker-archive:${archive} can't be read: ${fileFault(error)}`,
      { cause: error, suggestions: ['check the path: docker-archive:FILE[:NAME]'] },
    );
  }
  throw new DeployerError('image_file_not_found', `there is no archive ${archive}: it is no file`, {
    suggestions: [`for a folder: oci:${archive}`],
  });
}

async function isGzip(file: FileHandle): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
  return buffer[0] === 0x1f && buffer[1] === 0x8b;
}

async function readEntries(archive: string, file: FileHandle): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  const { size: archiveSize } = await file.stat();
  /** What extension headers say of the next entry. */
  let extended: { path?: string; linkpath?: string; size?: number } = {};
  for (let at = 0; at + BLOCK <= archiveSize;) {
    const block = await readBlock(file, at, BLOCK);
    if (isEndBlock(block)) break;
    const header = parseTarHeader(block);
    const size = extended.size ?? header?.size;
    if (header === undefined || size === undefined || !Number.isSafeInteger(size))
      throw damaged(
        archive,
        entries.size === 0 ? 'it is no tar archive' : `there is no tar header at byte ${at}`,
      );
    const body = at + BLOCK;
    if (body + size > archiveSize) throw damaged(archive, `it is cut off in ${cleanLine(header.name, 100)}`);
    at = body + size + paddingAfter(size);
    if (isExtension(header)) {
      if (size > EXTENSION_LIMIT) throw damaged(archive, `an extension header has ${size} bytes`);
      extended = { ...extended, ...readExtension(header, await readBlock(file, body, size)) };
      continue;
    }
    addEntry(
      entries,
      { ...header, name: extended.path ?? header.name, linkname: extended.linkpath ?? header.linkname, size },
      body,
    );
    if (entries.size > MOST_ENTRIES) throw damaged(archive, `it holds more than ${MOST_ENTRIES} files`);
    extended = {};
  }
  return entries;
}

async function readBlock(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

function isExtension({ type }: TarHeader): boolean {
  return type === 'x' || type === 'g' || type === 'L' || type === 'K';
}

function readExtension(
  { type }: TarHeader,
  body: Buffer,
): { path?: string; linkpath?: string; size?: number } {
  if (type === 'L') return { path: textOf(body) };
  if (type === 'K') return { linkpath: textOf(body) };
  // A header for all entries names none of them.
  if (type === 'g') return {};
  const records = parsePax(body);
  const [path, linkpath, size] = ['path', 'linkpath', 'size'].map((key) => records.get(key));
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkpath === undefined ? {} : { linkpath }),
    ...(size === undefined ? {} : { size: Number(size) }),
  };
}

/** Of an entry that comes twice the last one counts, as for who unpacks the archive. */
function addEntry(entries: Map<string, Entry>, header: TarHeader, at: number): void {
  const name = posix.normalize(header.name);
  if (header.type === '0' || header.type === '7') entries.set(name, { at, size: header.size });
  if (header.type === '1') entries.set(name, { linkTo: posix.normalize(header.linkname) });
  if (header.type === '2')
    entries.set(name, { linkTo: posix.normalize(posix.join(posix.dirname(name), header.linkname)) });
}
