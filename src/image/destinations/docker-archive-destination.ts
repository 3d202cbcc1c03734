import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
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
import { BLOCK, paddingAfter, parseTarHeader, tarFileHeader } from '../../oci/tar.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { BlobArrival } from '../../registry/push.js';
import type { StoredManifest } from '../stored-manifest.js';
import { writeBlob, writing } from './blob-writer.js';
import type { ImageDestination } from './destination.js';
import { removeLeftParts } from './part-file.js';
import { fileAt, syncFolder, WholeFile } from './whole-file.js';

/**
 * A tar that every `docker load` takes, in the form that docker saves since version 25: an OCI layout, which keeps the
 * digest, and beside it a manifest.json for those who know no layout. Layers stay compressed: `docker load` unpacks
 * what it is given. The file gets its name when it is whole, in the place of an archive that was there; another file is
 * not overwritten.
 */
export class DockerArchiveDestination implements ImageDestination {
  readonly name: string;
  /** A tar is written from front to back. */
  readonly width = 1;
  readonly single = true;
  readonly #path: string;
  readonly #file: WholeFile;
  readonly #imageName: Reference | undefined;
  readonly #signal: AbortSignal;

  private constructor(
    name: string,
    path: string,
    file: WholeFile,
    imageName: Reference | undefined,
    signal: AbortSignal,
  ) {
    this.name = name;
    this.#path = path;
    this.#file = file;
    this.#imageName = imageName;
    this.#signal = signal;
  }

  /**
   * @param name as it was asked for: `docker-archive:FILE[:NAME]`
   * @param imageName what `docker load` calls it; with a tag
   * @throws DeployerError `usage` when something else than an archive is there, `push_failed` when none can be made
   */
  static async open(
    { name, path }: { readonly name: string; readonly path: string },
    imageName: Reference | undefined,
    signal: AbortSignal,
  ): Promise<DockerArchiveDestination> {
    const there = await fileAt(path);
    if (there !== undefined && there.size > 0 && !(await writing(path, () => isTar(path))))
      throw new DeployerError('usage', `${path} is there and no image archive: it is not overwritten`, {
        suggestions: ['name another file, or delete this one first'],
      });
    await removeLeftParts(dirname(path), (name) => name === basename(path));
    return new DockerArchiveDestination(name, path, await WholeFile.create(path), imageName, signal);
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
    await writeBlob(this.#file.handle, this.#path, content, onPosition, this.#signal);
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
    await this.#file.keep();
    await syncFolder(dirname(this.#path));
  }

  referrer(): Promise<void> {
    return Promise.reject(
      new DeployerError('usage', `${this.name} can't hold what is about an image`, {
        suggestions: ['copy with --referrers to a registry or to oci:DIR'],
      }),
    );
  }

  close(): Promise<void> {
    return this.#file.drop();
  }

  async #add(path: string, content: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(content);
    const padding = Buffer.alloc(paddingAfter(bytes.length));
    await this.#append(Buffer.concat([tarFileHeader(path, bytes.length), bytes, padding]));
  }

  async #append(bytes: Buffer): Promise<void> {
    await writing(this.#path, () => this.#file.handle.writeFile(bytes));
  }
}

async function isTar(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(BLOCK), 0, BLOCK, 0);
    return parseTarHeader(buffer) !== undefined;
  } finally {
    await file.close();
  }
}
