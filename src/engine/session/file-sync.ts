import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { contentOf, readAtOnce } from '../context/content.js';
import { followPaths } from '../context/follow-paths.js';
import { PatternMatcher } from '../context/pattern-matcher.js';
import { ContextSize } from '../context/size.js';
import { deviceOf, Slices, unreadable, walkContext, type ContextEntry } from '../context/walk.js';
import {
  decodePacket,
  encodeData,
  encodeEnd,
  encodeEndOfData,
  encodeError,
  END_OF_STATS,
  nearestTime,
  StatEncoder,
  type FileStat,
} from './fsutil-messages.js';
import { GRPC_CODE, GrpcStatus } from './grpc-messages.js';
import type { GrpcCall } from './grpc-server.js';

/** The folders that a build reads, by the names under which its frontend asks for them. */
export type SyncedFolders = Readonly<Record<'context' | 'dockerfile', string>>;

export interface FileSyncOptions {
  readonly folders: SyncedFolders;
  /** Told the bytes of content as they are sent, and of which folder. */
  readonly onSent: (bytes: number, folder: keyof SyncedFolders) => void;
  /** Told of what is left out, and of a context that is large. */
  readonly onWarning: (message: string) => void;
  /** Told why the context can't be sent: the engine's own error has lost it. */
  readonly onFailure: (error: DeployerError) => void;
}

/** Files that are told of in one write. */
const STATS_AT_ONCE = 100;
/** Files that are read at the same time. */
const SENDERS = 4;
/** Bytes up to which a file is read in place: the way through the pool of threads takes longer than the read. */
const SMALL = 128 * 1024;

/**
 * `moby.filesync.v1.FileSync/DiffCopy`: tells what lies in a folder and sends what the engine asks for, which is
 * what it does not have from an earlier build.
 */
export async function diffCopy(call: GrpcCall, options: FileSyncOptions): Promise<void> {
  const [name = ''] = call.metadata('dir-name');
  if (name !== 'context' && name !== 'dockerfile') {
    throw new GrpcStatus(GRPC_CODE.notFound, `no folder ${name} in this session`);
  }
  try {
    await new FolderSender(call, name, options).run();
  } catch (error) {
    if (error instanceof DeployerError && !call.ended.aborted) {
      options.onFailure(error);
      await call.send(encodeError(error.message));
    }
    throw error;
  }
}

class FolderSender {
  readonly #call: GrpcCall;
  readonly #name: keyof SyncedFolders;
  readonly #root: string;
  readonly #options: FileSyncOptions;
  /** Regular files, by their place in the order of the stats. */
  readonly #files = new Map<number, ContextEntry>();

  constructor(call: GrpcCall, name: keyof SyncedFolders, options: FileSyncOptions) {
    this.#call = call;
    this.#name = name;
    this.#root = options.folders[name];
    this.#options = options;
  }

  /** The engine asks for files while it is still being told of others. */
  async run(): Promise<void> {
    const failed = new AbortController();
    const telling = this.#tell(failed.signal);
    telling.catch((error: unknown) => failed.abort(error));
    await Promise.race([this.#answer(failed), aborted(failed.signal)]);
    await telling;
    await this.#call.send(encodeEnd());
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const excluded = excludedBy(this.#call);
    const included = await this.#included();
    const followed = new Set(patternsOf(this.#call, 'followpaths'));
    const entries = walkContext(this.#root, {
      ...(excluded === undefined ? {} : { excluded }),
      ...(included === undefined ? {} : { included }),
      onLeftOut: (path, reason) => this.#options.onWarning(`${path} is left out: ${reason}`),
    });
    const slices = new Slices(AbortSignal.any([signal, this.#call.ended]));
    const encoder = new StatEncoder();
    const size = new ContextSize();
    const untimely: string[] = [];
    let packets: Uint8Array[] = [];
    let id = 0;
    for (const entry of entries) {
      if (slices.isOver() || packets.length === STATS_AT_ONCE) {
        await this.#call.send(...packets);
        packets = [];
      }
      if (slices.isOver()) await slices.pause();
      if (entry === undefined) continue;
      if (entry.kind === 'file') this.#files.set(id, entry);
      // To the engine it would be an empty one, and all would be sent.
      if (entry.kind === 'folder' && entry.path.endsWith('.dockerignore') && followed.has(entry.path)) {
        throw unreadable(entry.path, 'it is a folder');
      }
      id += 1;
      size.add(entry);
      if (nearestTime(entry.stats.mtimeNs) !== entry.stats.mtimeNs) untimely.push(entry.path);
      packets.push(encoder.encode(statOf(entry)));
    }
    await this.#call.send(...packets, END_OF_STATS);
    for (const warning of [size.warning(), timeWarning(untimely)])
      if (warning !== undefined) this.#options.onWarning(warning);
  }

  async #included(): Promise<PatternMatcher | undefined> {
    const patterns = patternsOf(this.#call, 'include-patterns');
    const followed = patternsOf(this.#call, 'followpaths');
    if (patterns.length > 0) return new PatternMatcher(patterns);
    return followed.length === 0 ? undefined : followPaths(this.#root, followed);
  }

  /** Sends what is asked for until the engine has all, or `failed`: then it asks for no more, and waits. */
  async #answer(failed: AbortController): Promise<void> {
    const sending = new Set<Promise<void>>();
    for await (const message of this.#call.messages) {
      const { type, id, data } = decodePacket(message);
      if (type === 'end') break;
      if (type === 'error') {
        throw new GrpcStatus(GRPC_CODE.internal, `the engine: ${Buffer.from(data).toString('utf8')}`);
      }
      if (type !== 'request') continue;
      const sent = this.#send(id).catch((error: unknown) => failed.abort(error));
      const tracked = sent.finally(() => sending.delete(tracked));
      sending.add(tracked);
      if (sending.size >= SENDERS) await Promise.race(sending);
      failed.signal.throwIfAborted();
    }
    await Promise.all(sending);
    failed.signal.throwIfAborted();
  }

  async #send(id: number): Promise<void> {
    const entry = this.#files.get(id);
    if (entry === undefined)
      throw new GrpcStatus(GRPC_CODE.internal, `file ${id} was asked for: there is none`);
    if (entry.stats.size <= SMALL) await this.#sendChunk(id, readAtOnce(this.#root, entry));
    else for await (const chunk of contentOf(this.#root, entry)) await this.#sendChunk(id, chunk);
    await this.#call.send(encodeEndOfData(id));
  }

  async #sendChunk(id: number, chunk: Buffer): Promise<void> {
    // Without data it would be the end.
    if (chunk.length > 0) await this.#call.send(encodeData(id, chunk));
    this.#options.onSent(chunk.length, this.#name);
  }
}

function timeWarning([first, ...more]: readonly string[]): string | undefined {
  if (first === undefined) return undefined;
  const others = more.length === 0 ? '' : `, and ${more.length} more,`;
  return `${cleanLine(first, 200)}${others}: of a time of change before 1677 or after 2262 the image gets the nearest that BuildKit can be told`;
}

function statOf({ path, kind, stats, linkname }: ContextEntry): FileStat {
  return {
    path,
    mode: goMode(Number(stats.mode), kind),
    size: kind === 'folder' ? 0 : Number(stats.size),
    modified: stats.mtimeNs,
    ...(linkname === undefined ? {} : { linkname }),
    ...(kind === 'device' ? { device: deviceOf(stats.rdev) } : {}),
  };
}

/** Go's os.FileMode: the permissions of POSIX, and bits of its own for all else. */
const GO_MODE = {
  folder: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  fifo: 2 ** 25,
  file: 0,
  hardlink: 0,
} as const;
const GO_CHARACTER_DEVICE = 2 ** 21;
const GO_SPECIAL: readonly (readonly [number, number])[] = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
];

function goMode(mode: number, kind: ContextEntry['kind']): number {
  const isCharacterDevice = (mode & 0o170000) === 0o020000;
  let result = GO_MODE[kind] + (mode & 0o777) + (isCharacterDevice ? GO_CHARACTER_DEVICE : 0);
  for (const [bit, goBit] of GO_SPECIAL) if ((mode & bit) !== 0) result += goBit;
  return result;
}

function excludedBy(call: GrpcCall): PatternMatcher | undefined {
  const patterns = patternsOf(call, 'exclude-patterns');
  return patterns.length === 0 ? undefined : new PatternMatcher(patterns);
}

function patternsOf(call: GrpcCall, name: string): string[] {
  const isEncoded = call.metadata(`${name}-encoded`).length > 0 || call.metadata('opts-encoded').length > 0;
  return call
    .metadata(name)
    .map((value) => (isEncoded ? decodeURIComponent(value.replaceAll('+', ' ')) : value));
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
