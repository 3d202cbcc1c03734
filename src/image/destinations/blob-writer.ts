import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DeployerError } from '../../lib/errors.js';
import { fileFault } from '../../lib/file-fault.js';
import type { BlobContent } from '../../registry/blob-content.js';

/**
 * Writes a blob at the end of an open file, hashed on its way.
 * @throws DeployerError what the content throws; `push_failed` when the disk does not take it
 */
export async function writeBlob(
  file: FileHandle,
  name: string,
  content: BlobContent,
  onPosition: (position: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let position = 0;
  for await (const chunk of content.open(0, 'here')) {
    signal.throwIfAborted();
    await writing(name, () => file.writeFile(chunk));
    position += chunk.length;
    onPosition(position);
  }
}

/** Runs what touches the disk, and says which file was at fault. */
export async function writing<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DeployerError) throw error;
    throw new DeployerError('push_failed', `${name} can't be written: ${fileFault(error)}`, {
      cause: error,
      suggestions: [mendFor(error, dirname(name))],
    });
  }
}

function mendFor(error: unknown, folder: string): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `make the folder first: mkdir -p ${folder}`;
  if (code === 'ENOTDIR') return 'name another folder';
  if (code === 'ENOSPC') return 'make room: df -h shows how much is left';
  return `check owner and mode of the folder: ls -ld ${folder}`;
}
