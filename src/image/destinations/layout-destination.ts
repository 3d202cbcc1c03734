import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DeployerError } from '../../lib/errors.js';
import { fileFault } from '../../lib/file-fault.js';
import { makeFolder } from '../../lib/make-folder.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { blobPath, INDEX_FILE, LAYOUT_FILE, LAYOUT_VERSION, REF_NAME, withEntry } from '../../oci/layout.js';
import { parseManifest } from '../../oci/manifest.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { BlobArrival } from '../../registry/push.js';
import { FolderFiles } from '../sources/folder-files.js';
import { damaged } from '../sources/image-files.js';
import { checkMarker } from '../sources/layout-source.js';
import type { StoredManifest } from '../stored-manifest.js';
import { writeBlob, writing } from './blob-writer.js';
import type { ImageDestination } from './destination.js';
import { highestMissing, NewLayout } from './new-layout.js';
import { removeLeftParts } from './part-file.js';
import { fileAt, syncFolder, WholeFile } from './whole-file.js';

/**
 * An OCI image layout in a folder, new or with other images in it. A file gets its name when it is whole, and
 * index.json last: what breaks off leaves the layout as it was.
 */
export class LayoutDestination implements ImageDestination {
  readonly name: string;
  readonly width = 4;
  readonly single = false;
  readonly #folder: string;
  readonly #tag: string | undefined;
  readonly #signal: AbortSignal;
  /** Folders that got names which may not be on the disk yet. */
  readonly #changed = new Set<string>();

  /** Of a folder that held nothing, until it holds an image. */
  #attempt: NewLayout | undefined;

  private constructor(folder: string, tag: string | undefined, signal: AbortSignal, attempt?: NewLayout) {
    this.name = `oci:${folder}${tag === undefined ? '' : `:${tag}`}`;
    this.#folder = folder;
    this.#tag = tag;
    this.#signal = signal;
    this.#attempt = attempt;
  }

  /** @throws DeployerError `usage` for a folder that holds something else; `image_file_invalid`, `push_failed` */
  static async open(
    folder: string,
    tag: string | undefined,
    signal: AbortSignal,
  ): Promise<LayoutDestination> {
    const names = await namesIn(folder);
    if (names.length > 0 && !names.includes(LAYOUT_FILE)) {
      throw new DeployerError('usage', `${folder} is not empty, and no image layout`, {
        suggestions: ['name another folder: it is made when it is not there'],
      });
    }
    if (names.length > 0) await checkMarker(await FolderFiles.open(folder));
    await removeLeft(folder);
    if (names.length > 0) return new LayoutDestination(folder, tag, signal);
    const attempt = new NewLayout(folder, await highestMissing(folder));
    const destination = new LayoutDestination(folder, tag, signal, attempt);
    try {
      await destination.#write(LAYOUT_FILE, LAYOUT_VERSION);
      return destination;
    } catch (error) {
      await attempt.takeBack();
      throw error;
    }
  }

  async current(): Promise<ReadonlySet<Digest>> {
    const text = await this.#index();
    const index = text === undefined ? undefined : parseManifest(Buffer.from(text), '');
    const entries = index?.kind === 'index' ? index.manifests : [];
    const named = entries.filter(({ annotations }) => annotations?.[REF_NAME] === this.#tag);
    return new Set(named.map(({ digest }) => digest));
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.#sizeOf(blobPath(digest))) !== undefined;
  }

  async blob(
    blob: Descriptor,
    content: BlobContent,
    onPosition: (position: number) => void,
  ): Promise<BlobArrival> {
    const path = blobPath(blob.digest);
    // A file has its name only since it was whole; one of another size was damaged later.
    if ((await this.#sizeOf(path)) === blob.size) return 'skipped';
    await this.#put(path, ({ handle }, name) => writeBlob(handle, name, content, onPosition, this.#signal));
    return 'sent';
  }

  async manifest({ digest, bytes }: StoredManifest): Promise<void> {
    await this.#write(blobPath(digest), bytes);
  }

  async finish(root: StoredManifest): Promise<void> {
    await this.manifest(root);
    const { digest, size, content } = root;
    await this.#list({ mediaType: content.mediaType, digest, size }, this.#tag);
  }

  /** Named in index.json as oras does it: its artifactType tells it from an image. */
  async referrer(referrer: StoredManifest, entry: Descriptor): Promise<void> {
    await this.manifest(referrer);
    await this.#list(entry, undefined);
  }

  /** A layout that was there keeps the blobs that came whole: others may name them by now, and the next copy does. */
  async close(): Promise<void> {
    await this.#attempt?.takeBack();
  }

  /** All that the index is about to name is on the disk first. */
  async #list(entry: Descriptor, tag: string | undefined): Promise<void> {
    for (const folder of this.#changed) await syncFolder(folder);
    this.#changed.clear();
    await this.#write(INDEX_FILE, withEntry(await this.#index(), entry, tag));
    this.#attempt = undefined;
    await syncFolder(this.#folder);
  }

  async #index(): Promise<string | undefined> {
    const file = join(this.#folder, INDEX_FILE);
    if ((await fileAt(file)) === undefined) return undefined;
    const text = await readFile(file, 'utf8');
    try {
      parseManifest(Buffer.from(text), '');
    } catch (error) {
      throw damaged(file, error instanceof DeployerError ? error.message : 'it is no index');
    }
    return text;
  }

  #write(path: string, content: string | Uint8Array): Promise<void> {
    return this.#put(path, ({ handle }, name) => writing(name, () => handle.writeFile(content)));
  }

  async #put(path: string, write: (file: WholeFile, name: string) => Promise<void>): Promise<void> {
    const name = join(this.#folder, path);
    await writing(name, () => makeFolder(dirname(name)));
    const file = await WholeFile.create(name);
    try {
      await write(file, name);
      await file.keep();
      this.#attempt?.made.push(path);
      for (const folder of foldersUpTo(this.#folder, path)) this.#changed.add(folder);
    } finally {
      await file.drop();
    }
  }

  /** Of a file, which may lie elsewhere: several layouts may share their blobs. */
  async #sizeOf(path: string): Promise<number | undefined> {
    try {
      const found = await stat(join(this.#folder, path));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** What copies into this layout left that were killed. */
async function removeLeft(folder: string): Promise<void> {
  await removeLeftParts(folder, (name) => name === LAYOUT_FILE || name === INDEX_FILE);
  for (const algorithm of ['sha256', 'sha512'])
    await removeLeftParts(join(folder, 'blobs', algorithm), (name) => /^[0-9a-f]+$/.test(name));
}

/** Of a file below `folder`: each may have been made for it. */
function foldersUpTo(folder: string, path: string): string[] {
  const above = dirname(path);
  return above === '.' ? [folder] : [join(folder, above), ...foldersUpTo(folder, above)];
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new DeployerError('usage', `oci:${folder} can't be an image layout: ${fileFault(error)}`, {
      cause: error,
      suggestions: ['name a folder: it is made when it is not there'],
    });
  }
}
