import { randomUUID } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../lib/make-folder.js';
import type { Challenge } from './challenge.js';

/**
 * What a registry asked for last time, so that the next run fetches its token first and saves the 401.
 * Public information: realm and service, never a token or a user's name.
 */
export interface ChallengeMemory {
  recall(host: string): Promise<Challenge | undefined>;
  remember(host: string, challenge: Challenge): Promise<void>;
}

/** Bytes; a challenge's header is at most 8 KiB. */
const LARGEST = 16 * 1024;

/** One small file a host in the XDG cache: parallel processes replace it whole, never edit it. */
export class FileChallengeMemory implements ChallengeMemory {
  readonly #folder: string;

  /** @param cacheRoot for example `~/.cache/deployer` */
  constructor(cacheRoot: string) {
    this.#folder = join(cacheRoot, 'challenges');
  }

  recall(host: string): Promise<Challenge | undefined> {
    let text: string;
    try {
      text = readSmallFile(this.#file(host));
    } catch {
      // Not asked before, or a cache that can't be read: the registry will ask again, one request more.
      return Promise.resolve(undefined);
    }
    return Promise.resolve(readEntry(text));
  }

  async remember(host: string, challenge: Challenge): Promise<void> {
    const file = this.#file(host);
    const fresh = `${file}.${randomUUID()}`;
    try {
      await makeFolder(this.#folder, 0o700);
      await writeFile(fresh, JSON.stringify(keptOf(challenge)), { mode: 0o600 });
      await rename(fresh, file);
    } catch {
      // A read-only home (CI, containers): the next run asks once more, nothing else is lost.
      await rm(fresh, { force: true }).catch(() => undefined);
    }
  }

  #file(host: string): string {
    return join(this.#folder, `${encodeURIComponent(host)}.json`);
  }
}

/**
 * At once, before the first request: to read a hundred bytes by Node's thread pool takes 3 ms, most of it to start that.
 * @throws for what is no file, or too large to be an entry: a pipe would never end, a device neither
 */
function readSmallFile(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(file);
    if (size > LARGEST) throw new Error(`${path} is too large`);
    const bytes = Buffer.alloc(size);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, size, 0));
  } finally {
    closeSync(file);
  }
}

/** For a run that must leave nothing behind, and for tests. */
export const noMemory: ChallengeMemory = {
  recall: () => Promise.resolve(undefined),
  remember: () => Promise.resolve(),
};

/** Not the scope, which says what was asked for. */
function keptOf(challenge: Challenge): Challenge {
  if (challenge.scheme === 'basic') return { scheme: 'basic' };
  const { scheme, realm, service } = challenge;
  return { scheme, realm, ...(service === undefined ? {} : { service }) };
}

function readEntry(text: string): Challenge | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('scheme' in value)) return undefined;
  if (value.scheme === 'basic') return { scheme: 'basic' };
  if (value.scheme !== 'bearer' || !('realm' in value) || typeof value.realm !== 'string') return undefined;
  const service = 'service' in value && typeof value.service === 'string' ? { service: value.service } : {};
  return { scheme: 'bearer', realm: value.realm, ...service };
}
