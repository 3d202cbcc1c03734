import type { FileHandle } from 'node:fs/promises';
import { DeployerError } from '../../lib/errors.js';

/** The files of an image layout, whatever they lie in. Paths are relative, with `/`. */
export interface ImageFiles {
  /** A file's name as a person finds it: `DIR/index.json`, `app.tar: index.json`. */
  nameOf(path: string): string;
  /** bytes; undefined when there is no such file */
  sizeOf(path: string): Promise<number | undefined>;
  /** The file from `start` to its end. A chunk may be overwritten as soon as the next one is asked for. */
  chunks(path: string, start: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Large enough that reading costs little; one buffer serves a whole file, so that a blob's size costs no memory. */
const CHUNK = 512 * 1024;

/** @throws DeployerError `image_file_invalid` when the file ends before `end` */
export async function* readChunks(
  file: FileHandle,
  start: number,
  end: number,
  name: string,
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK, end - start)));
  for (let at = start; at < end;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) throw damaged(name, `it ends after ${at} bytes, ${end} were there before`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * A small file, whole.
 * @throws DeployerError `image_file_invalid` when it is not there, or larger than `limit` bytes
 */
export async function readWhole(files: ImageFiles, path: string, limit: number): Promise<Buffer> {
  const size = await files.sizeOf(path);
  if (size === undefined) throw damaged(files.nameOf(path), 'it is missing');
  if (size > limit)
    throw damaged(files.nameOf(path), `it has ${size} bytes, more than the ${limit} that are read`);
  const chunks: Buffer[] = [];
  for await (const chunk of files.chunks(path, 0)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export function damaged(file: string, why: string, suggestions: readonly string[] = []): DeployerError {
  return new DeployerError('image_file_invalid', `${file} can't be used: ${why}`, {
    suggestions: [
      ...suggestions,
      'make the layout or archive again; if it was copied here, compare it with its source',
    ],
  });
}
