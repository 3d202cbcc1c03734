import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { DeployerError } from '../../lib/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { archiveManifest, ARCHIVE_MANIFEST } from '../../oci/docker-archive.js';
import {
  blobPath,
  IMAGE_NAME,
  INDEX_FILE,
  LAYOUT_FILE,
  LAYOUT_VERSION,
  withEntry,
} from '../../oci/layout.js';
import { formatReference, type Reference } from '../../oci/reference.js';
import { BLOCK, paddingAfter, tarFileHeader } from '../../oci/tar.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { BlobArrival } from '../../registry/push.js';
import type { StoredManifest } from '../stored-manifest.js';
import { writeBlob, writing } from './blob-writer.js';
import type { ImageDestination } from './destination.js';

/**
 * A tar that every `docker load` takes, in the form that docker saves since version 25: an OCI layout, which keeps the
 * digest, and beside it a manifest.json for those who know no layout. Layers stay compressed: `docker load` unpacks
 * what it is given. The file gets its name when it is whole.
 */
export class DockerArchiveDestination implements ImageDestination {
  readonly name: string;
  /** A tar is written from front to back. */
  readonly width = 1;
  readonly single = true;
  readonly #path: string;
  readonly #fresh: string;
  readonly #file: FileHandle;
  readonly #imageName: Reference | undefined;
  readonly #signal: AbortSignal;
  #finished = false;

  private constructor(
    path: string,
    fresh: string,
    file: FileHandle,
    imageName: Reference | undefined,
    signal: AbortSignal,
  ) {
    this.name = `docker-archive:${path}`;
    this.#path = path;
    this.#fresh = fresh;
    this.#file = file;
    this.#imageName = imageName;
    this.#signal = signal;
  }

  /**
   * @param imageName what `docker load` calls it; with a tag
   * @throws DeployerError `push_failed` when the file can't be made
   */
  static async open(
    path: string,
    imageName: Reference | undefined,
    signal: AbortSignal,
  ): Promise<DockerArchiveDestination> {
    const fresh = `${path}.${process.pid}.part`;
    const file = await writing(path, () => open(fresh, 'w', 0o644));
    return new DockerArchiveDestination(path, fresh, file, imageName, signal);
  }

  current(): Promise<ReadonlySet<Digest>> {
    return Promise.resolve(new Set());
  }

  hasManifest(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async blob(
    blob: Descriptor,
    content: BlobContent,
    onPosition: (position: number) => void,
  ): Promise<BlobArrival> {
    await this.#append(tarFileHeader(blobPath(blob.digest), blob.size));
    await writeBlob(this.#file, this.#path, content, onPosition, this.#signal);
    await this.#append(Buffer.alloc(paddingAfter(blob.size)));
    return 'sent';
  }

  manifest({ digest, bytes }: StoredManifest): Promise<void> {
    return this.#add(blobPath(digest), bytes);
  }

  async finish(root: StoredManifest): Promise<void> {
    const { digest, size, content } = root;
    if (content.kind !== 'manifest') throw new DeployerError('usage', `${this.name} can't hold an index`);
    await this.manifest(root);
    const name = this.#imageName;
    const annotations: Readonly<Record<string, string>> =
      name === undefined ? {} : { [IMAGE_NAME]: formatReference(name) };
    const entry = { mediaType: content.mediaType, digest, size, annotations };
    await this.#add(LAYOUT_FILE, LAYOUT_VERSION);
    await this.#add(INDEX_FILE, withEntry(undefined, entry, name?.tag));
    await this.#add(
      ARCHIVE_MANIFEST,
      archiveManifest({
        config: blobPath(content.config.digest),
        repoTags: name === undefined ? [] : [formatReference(name)],
        layers: content.layers.map((layer) => blobPath(layer.digest)),
      }),
    );
    await this.#append(Buffer.alloc(2 * BLOCK));
    await writing(this.#path, async () => {
      await this.#file.close();
      await rename(this.#fresh, this.#path);
    });
    this.#finished = true;
  }

  referrer(): Promise<void> {
    return Promise.reject(
      new DeployerError('usage', `${this.name} can't hold what is about an image`, {
        suggestions: ['copy with --referrers to a registry or to oci:DIR'],
      }),
    );
  }

  async close(): Promise<void> {
    if (this.#finished) return;
    await this.#file.close();
    await rm(this.#fresh, { force: true });
  }

  async #add(path: string, content: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(content);
    const padding = Buffer.alloc(paddingAfter(bytes.length));
    await this.#append(Buffer.concat([tarFileHeader(path, bytes.length), bytes, padding]));
  }

  async #append(bytes: Buffer): Promise<void> {
    await writing(this.#path, () => this.#file.writeFile(bytes));
  }
}
