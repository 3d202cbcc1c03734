import { constants } from 'node:fs';
import { open, readlink, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const CHUNK = 64 * 1024;
const LOOK_AGAIN_MS = 20;

/** What was named holds more than such a file can. */
export class TooLarge extends Error {}

/**
 * Reads a file whole, or what comes out of a pipe (`--token-file <(command)`). A device that never ends and a pipe
 * that nobody writes to are given up.
 * @param limit bytes
 * @param patienceMs for all that has to be waited for
 * @throws TooLarge; an Error of the system, or that nothing came in time
 */
export async function readBounded(path: string, limit: number, patienceMs = 5000): Promise<Buffer> {
  // Neither a blocking open nor a blocking read could be broken off. (On Windows the constant is undefined: 0.)
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    // Of a process substitution the writer was there before: at its end nobody will come.
    const isPipe = (await file.stat()).isFIFO() && !(await isAnonymous(path));
    const deadline = performance.now() + patienceMs;
    const chunks: Buffer[] = [];
    for (let length = 0; ;) {
      const chunk = await readSome(file);
      // A pipe without a writer is at its end: one may yet come.
      if (chunk === undefined || (chunk.length === 0 && isPipe && length === 0)) {
        if (performance.now() > deadline) throw new Error(`nothing came out of it in ${patienceMs / 1000} s`);
        await delay(LOOK_AGAIN_MS);
        continue;
      }
      if (chunk.length === 0) return Buffer.concat(chunks);
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) throw new TooLarge(`it is larger than ${limit / 1024} KiB`);
    }
  } finally {
    await file.close();
  }
}

/** A pipe without a name, as a shell makes it for `<(command)`; Linux shows it as what the descriptor's link leads to. */
async function isAnonymous(path: string): Promise<boolean> {
  const target = await readlink(path).catch(() => '');
  return target.startsWith('pipe:[');
}

/** undefined: there is nothing now, and may be later. */
async function readSome(file: FileHandle): Promise<Buffer | undefined> {
  const buffer = Buffer.alloc(CHUNK);
  try {
    const { bytesRead } = await file.read(buffer, 0, CHUNK, null);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
}
