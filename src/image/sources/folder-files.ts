import { constants } from 'node:fs';
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { DeployerError } from '../../lib/errors.js';
import { fileFault } from '../../lib/file-fault.js';
import { damaged, readChunks, type ImageFiles } from './image-files.js';

/** The files of a folder, and nothing outside of it: a link that leads out is not followed. */
export class FolderFiles implements ImageFiles {
  readonly #folder: string;
  readonly #real: string;

  private constructor(folder: string, real: string) {
    this.#folder = folder;
    this.#real = real;
  }

  /** @throws DeployerError `image_file_not_found` */
  static async open(folder: string): Promise<FolderFiles> {
    try {
      const real = await realpath(folder);
      if ((await stat(real)).isDirectory()) return new FolderFiles(folder, real);
    } catch (error) {
      throw notFound(folder, fileFault(error), 'check the path: oci:DIR[:TAG]', error);
    }
    throw notFound(folder, 'it is no folder', `an archive is docker-archive:${folder}`);
  }

  nameOf(path: string): string {
    return join(this.#folder, path);
  }

  async sizeOf(path: string): Promise<number | undefined> {
    const real = await this.#realPath(path);
    if (real === undefined) return undefined;
    const found = await stat(real);
    if (!found.isFile()) throw damaged(this.nameOf(path), 'it is no file');
    return found.size;
  }

  async *chunks(path: string, start: number): AsyncGenerator<Uint8Array> {
    const file = await this.#open(path);
    try {
      const { size } = await file.stat();
      yield* readChunks(file, start, size, this.nameOf(path));
    } finally {
      await file.close();
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #open(path: string): Promise<FileHandle> {
    const real = await this.#realPath(path);
    if (real === undefined) throw damaged(this.nameOf(path), 'it is missing');
    try {
      return await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw damaged(this.nameOf(path), `it can't be read (${codeOf(error)})`);
    }
  }

  async #realPath(path: string): Promise<string | undefined> {
    let real: string;
    try {
      real = await realpath(join(this.#real, path));
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
      throw damaged(this.nameOf(path), `it can't be read (${codeOf(error)})`);
    }
    if (real.startsWith(this.#real + sep)) return real;
    throw damaged(this.nameOf(path), 'it is a link that leads out of the layout', [
      'copy the layout with its files instead of links: cp -RL',
    ]);
  }
}

function notFound(folder: string, why: string, mend: string, cause?: unknown): DeployerError {
  return new DeployerError('image_file_not_found', `there is no image layout at ${folder}: ${why}`, {
    cause,
    suggestions: [mend],
  });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}
