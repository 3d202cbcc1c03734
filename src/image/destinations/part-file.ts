import { createHash, randomBytes } from 'node:crypto';
import { readdir, readlink, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** A file until it is whole, what it is to be called, and who writes it: where, and as which process. */
const PART = /^(.+)\.([0-9a-f]{6})-(\d{1,10})-[0-9a-f]{8}\.part$/;

/** A name for what is to become the file `path`, which no other has. */
export async function partOf(path: string): Promise<string> {
  return `${path}.${await placeOf()}-${process.pid}-${randomBytes(4).toString('hex')}.part`;
}

/**
 * Removes the parts in a folder that were left by copies which were killed. Those of a process that lives, or lives
 * elsewhere, stay: it may be writing them.
 * @param isOwn whether a file of this name is the caller's to write
 */
export async function removeLeftParts(folder: string, isOwn: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const here = names.some((name) => PART.test(name)) ? await placeOf() : '';
  for (const name of names) {
    const [, file = '', place, pid] = PART.exec(name) ?? [];
    if (place !== here || !isOwn(file) || isAlive(Number(pid))) continue;
    // It only takes up room: no copy fails for it.
    await rm(join(folder, name), { force: true }).catch(() => undefined);
  }
}

/** Where a process number means the same process: this machine, or this container of it. */
async function placeOf(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return createHash('sha256').update(`${hostname()}\0${namespace}`).digest('hex').slice(0, 6);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
