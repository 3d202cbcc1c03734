import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { algorithmOf, Digester, type Digest, type DigestAlgorithm } from '../../oci/digest.js';
import type { BlobStore } from './blob-store.js';
import type { ByteRange } from './byte-range.js';
import { ifThere } from './durable-files.js';
import type { KeyedLock } from './keyed-lock.js';
import type { Layout } from './layout.js';
import { isUploadId, type RepositoryName } from './names.js';
import { ProtocolError } from './protocol-error.js';

/** A request's body, and what its headers say of it. */
export interface Chunk {
  readonly body: AsyncIterable<Buffer>;
  /** From Content-Range. */
  readonly range?: ByteRange;
  /** From Content-Length; bytes. */
  readonly length?: number;
}

interface Session {
  readonly id: string;
  readonly name: RepositoryName;
  /** Bytes that are in the file, all from its start. */
  received: number;
  /** Has seen all of the received bytes; undefined when they must be read again from the file. */
  digester: Digester | undefined;
}

const HASHED_WHILE_RECEIVED: DigestAlgorithm = 'sha256';

/**
 * Blob uploads on their way, on the disk so that they go on after a restart. The bytes of one session come in order,
 * one request at a time: the next one waits until the one before has ended or broken off. What a broken request
 * brought is kept, and its sender can ask how much that is and go on from there.
 */
export class UploadSessions {
  readonly #layout: Layout;
  readonly #blobs: BlobStore;
  readonly #lock: KeyedLock;
  readonly #sessions = new Map<string, Session>();

  constructor(layout: Layout, blobs: BlobStore, lock: KeyedLock) {
    this.#layout = layout;
    this.#blobs = blobs;
    this.#lock = lock;
  }

  async start(name: RepositoryName): Promise<string> {
    const id = randomUUID();
    await mkdir(this.#folder(id));
    await writeFile(this.#dataFile(id), '');
    await writeFile(join(this.#folder(id), 'repository'), name);
    const digester = new Digester(HASHED_WHILE_RECEIVED);
    this.#sessions.set(id, { id, name, received: 0, digester });
    return id;
  }

  /** The bytes received so far. Throws BLOB_UPLOAD_UNKNOWN, as the other methods do. */
  async received(name: RepositoryName, id: string): Promise<number> {
    return (await this.#session(name, id)).received;
  }

  /**
   * Adds a chunk.
   * @returns the bytes received so far
   * @throws ProtocolError 416 BLOB_UPLOAD_INVALID when the chunk does not begin where the last one ended, SIZE_INVALID
   */
  async append(name: RepositoryName, id: string, chunk: Chunk): Promise<number> {
    return this.#exclusively(name, id, async (session, file) => {
      await receive(session, file, chunk);
      return session.received;
    });
  }

  /**
   * Adds the last chunk, if it has bytes, and makes the whole a blob of the repository. Once all of the chunk is here
   * the session ends, also when the digest is wrong: nothing that could follow would make it right.
   * @throws ProtocolError DIGEST_INVALID, and those of `append`
   */
  async finish(name: RepositoryName, id: string, digest: Digest, chunk: Chunk): Promise<void> {
    await this.#exclusively(name, id, async (session, file) => {
      await receive(session, file, chunk);
      // A write that failed half-way (no space left) may have left bytes behind those that count.
      await file.truncate(session.received);
      const actual = await this.#digest(session, algorithmOf(digest));
      try {
        if (actual !== digest) throw digestMismatch(digest);
        await file.sync();
        await this.#blobs.adopt(name, digest, this.#dataFile(id));
      } finally {
        await this.#remove(id);
      }
    });
  }

  async cancel(name: RepositoryName, id: string): Promise<void> {
    await this.#exclusively(name, id, () => this.#remove(id));
  }

  /** An upload in one request: nothing is left of it when it fails. Throws as `finish` does. */
  async put(name: RepositoryName, digest: Digest, chunk: Chunk): Promise<void> {
    const id = await this.start(name);
    try {
      await this.finish(name, id, digest, chunk);
    } catch (error) {
      await this.#remove(id);
      throw error;
    }
  }

  /** Ends the sessions that have received nothing since `since` (ms since the epoch), and clears remains away. */
  async removeStale(since: number): Promise<void> {
    for (const id of await readdir(this.#layout.uploadsDir)) {
      if (!isUploadId(id) || !(await this.#isStale(id, since))) continue;
      await this.#lock.run(id, async () => {
        if (await this.#isStale(id, since)) await this.#remove(id);
      });
    }
  }

  async #isStale(id: string, since: number): Promise<boolean> {
    const changed = (await ifThere(stat(this.#dataFile(id)))) ?? (await ifThere(stat(this.#folder(id))));
    return changed !== undefined && changed.mtimeMs < since;
  }

  async #exclusively<T>(
    name: RepositoryName,
    id: string,
    work: (session: Session, file: FileHandle) => Promise<T>,
  ): Promise<T> {
    return this.#lock.run(id, async () => {
      const session = await this.#session(name, id);
      const file = await open(this.#dataFile(id), 'r+');
      try {
        return await work(session, file);
      } finally {
        await file.close();
      }
    });
  }

  async #session(name: RepositoryName, id: string): Promise<Session> {
    const session = this.#sessions.get(id) ?? (await this.#restore(name, id));
    if (session?.name !== name) {
      throw new ProtocolError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
    }
    return session;
  }

  /** A session of a process before this one. */
  async #restore(name: RepositoryName, id: string): Promise<Session | undefined> {
    const owner = await ifThere(readFile(join(this.#folder(id), 'repository'), 'utf8'));
    const data = await ifThere(stat(this.#dataFile(id)));
    if (owner !== name || data === undefined) return undefined;
    const session = this.#sessions.get(id) ?? { id, name, received: data.size, digester: undefined };
    this.#sessions.set(id, session);
    return session;
  }

  async #digest(session: Session, algorithm: DigestAlgorithm): Promise<Digest> {
    if (session.digester && algorithm === HASHED_WHILE_RECEIVED) return session.digester.digest();
    return hashFile(this.#dataFile(session.id), algorithm);
  }

  async #remove(id: string): Promise<void> {
    this.#sessions.delete(id);
    await rm(this.#folder(id), { recursive: true, force: true });
  }

  #folder(id: string): string {
    return join(this.#layout.uploadsDir, id);
  }

  #dataFile(id: string): string {
    return join(this.#folder(id), 'data');
  }
}

/**
 * Writes the chunk behind what is there. A connection that breaks leaves what it brought; a body that is not as long
 * as its Content-Range says leaves nothing.
 */
async function receive(session: Session, file: FileHandle, { body, range, length }: Chunk): Promise<void> {
  const start = session.received;
  if (range && range.start !== start) throw outOfOrder(start);
  const end = range ? range.end + 1 : Infinity;
  if (range && length !== undefined && end - start !== length) throw sizeMismatch();
  for await (const bytes of body) {
    if (session.received + bytes.length > end) throw await rollBack(session, file, start);
    await writeAll(file, bytes, session.received);
    session.digester?.update(bytes);
    session.received += bytes.length;
  }
  if (range && session.received < end) throw await rollBack(session, file, start);
}

async function rollBack(session: Session, file: FileHandle, start: number): Promise<ProtocolError> {
  await file.truncate(start);
  session.received = start;
  session.digester = undefined;
  return sizeMismatch();
}

/** A single write may take less than it is given. */
async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function hashFile(path: string, algorithm: DigestAlgorithm): Promise<Digest> {
  const digester = new Digester(algorithm);
  const content: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 1024 * 1024 });
  for await (const bytes of content) digester.update(bytes);
  return digester.digest();
}

function digestMismatch(digest: Digest): ProtocolError {
  return new ProtocolError('DIGEST_INVALID', 'provided digest did not match uploaded content', {
    detail: { digest },
  });
}

function outOfOrder(received: number): ProtocolError {
  return new ProtocolError('BLOB_UPLOAD_INVALID', 'chunk out of order', {
    status: 416,
    detail: { received },
    headers: { Range: receivedRange(received) },
  });
}

function sizeMismatch(): ProtocolError {
  return new ProtocolError('SIZE_INVALID', 'provided length did not match content length');
}

/** The Range header of an upload. None can say "nothing": as elsewhere, that is `0-0`. */
export function receivedRange(received: number): string {
  return `0-${Math.max(0, received - 1)}`;
}
