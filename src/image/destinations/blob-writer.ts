import type { FileHandle } from 'node:fs/promises';
import { DeployerError, messageOf } from '../../lib/errors.js';
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
    throw new DeployerError('push_failed', `${name} can't be written: ${messageOf(error)}`, {
      cause: error,
      suggestions: ["check the folder's owner and mode, and the space that is left: df -h"],
    });
  }
}
