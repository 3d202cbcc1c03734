import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.js';
import { ifThere, type DurableFiles } from './durable-files.js';
import type { KeyedLock } from './keyed-lock.js';
import type { Layout } from './layout.js';
import type { RepositoryName } from './names.js';

/**
 * Content by digest, and which repository holds which blob. Content is put in place whole and before the link to it.
 * Unlinking leaves the content: it is freed at the next start, when nothing can be about to link it (data-folder.ts).
 */
export class BlobStore {
  readonly #layout: Layout;
  readonly #files: DurableFiles;
  readonly #lock: KeyedLock;

  /** @param lock by repository; shared with the manifests, so that no blob goes while one that needs it comes */
  constructor(layout: Layout, files: DurableFiles, lock: KeyedLock) {
    this.#layout = layout;
    this.#files = files;
    this.#lock = lock;
  }

  async has(name: RepositoryName, digest: Digest): Promise<boolean> {
    return (await ifThere(stat(this.#layout.blobLink(name, digest)))) !== undefined;
  }

  async hasContent(digest: Digest): Promise<boolean> {
    return (await ifThere(stat(this.#layout.content(digest)))) !== undefined;
  }

  /** The blob's content, to be closed by the caller; undefined when the repository does not hold it. */
  async open(name: RepositoryName, digest: Digest): Promise<FileHandle | undefined> {
    if (!(await this.has(name, digest))) return undefined;
    return ifThere(open(this.#layout.content(digest), 'r'));
  }

  async link(name: RepositoryName, digest: Digest): Promise<void> {
    await this.#files.write(this.#layout.blobLink(name, digest), '');
  }

  /** Whether the repository held the blob. */
  async unlink(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#lock.run(name, () => this.#files.remove(this.#layout.blobLink(name, digest)));
  }

  /** Takes over a synced file whose bytes have this digest. */
  async adopt(name: RepositoryName, digest: Digest, file: string): Promise<void> {
    await this.#files.move(file, this.#layout.content(digest));
    await this.link(name, digest);
  }

  async writeContent(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.#files.write(this.#layout.content(digest), bytes);
  }

  /** For manifests, whose size is limited. */
  async readContent(digest: Digest): Promise<Buffer | undefined> {
    return ifThere(readFile(this.#layout.content(digest)));
  }
}
