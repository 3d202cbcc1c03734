import { closeSync, constants, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeployerError } from '../../lib/errors.js';
import { unreadable, type ContextEntry } from './walk.js';

const CHUNK = 128 * 1024;

/** A link or a pipe that took a file's place is not followed, and not waited for. */
export const READ_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The content of a file of the context.
 * @throws DeployerError `context_unreadable` when it can't be read, or is not as long as it was when it was told
 */
export async function* contentOf(root: string, entry: ContextEntry): AsyncGenerator<Buffer> {
  const size = Number(entry.stats.size);
  let read = 0;
  try {
    await using file = await open(join(root, entry.path), READ_FILE);
    for (;;) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(size - read, 0) + 1));
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      read += bytesRead;
      if (read > size) break;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw asUnreadable(entry.path, error);
  }
  if (read !== size) throw changed(entry);
}

/** As `contentOf`, for a small file, in place. */
export function readAtOnce(root: string, entry: ContextEntry): Buffer {
  const size = Number(entry.stats.size);
  // With room for one byte more, by which a file shows that it has grown.
  const content = Buffer.allocUnsafe(size + 1);
  let read = 0;
  try {
    const file = openSync(join(root, entry.path), READ_FILE);
    try {
      for (;;) {
        const now = readSync(file, content, read, size + 1 - read, null);
        read += now;
        if (now === 0 || read >= size) break;
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw asUnreadable(entry.path, error);
  }
  if (read !== size) throw changed(entry);
  return content.subarray(0, size);
}

export function changed({ path }: ContextEntry): DeployerError {
  return unreadable(path, 'it changed while it was being sent');
}

/** A failed system call, with the file's name; all else as it is. */
export function asUnreadable(path: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error;
  return unreadable(path, (error as NodeJS.ErrnoException).code ?? error.message, error);
}
