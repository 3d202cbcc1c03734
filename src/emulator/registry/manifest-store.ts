import { readdir, readFile, stat } from 'node:fs/promises';
import { algorithmOf, digestOf, isDigest, type Digest } from '../../oci/digest.js';
import type { BlobStore } from './blob-store.js';
import { ifThere, namesIn, type DurableFiles } from './durable-files.js';
import type { KeyedLock } from './keyed-lock.js';
import { tagOfFileName, type Layout } from './layout.js';
import { parseManifestDocument, type ManifestDocument } from './manifest-document.js';
import type { RepositoryName, Tag } from './names.js';
import { ProtocolError } from './protocol-error.js';
import { isRepository } from './repositories.js';
import type { ManifestReference } from './routes.js';

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/**
 * Manifests, tags and referrers of the repositories. Changes to one repository come one after another, so that what
 * a manifest refers to can't go while it is checked, nor a manifest while it is tagged. The order of the writes is
 * such that a process killed between two of them leaves no tag, link or referrer to nothing.
 */
export class ManifestStore {
  readonly #layout: Layout;
  readonly #files: DurableFiles;
  readonly #blobs: BlobStore;
  readonly #lock: KeyedLock;

  constructor(layout: Layout, files: DurableFiles, blobs: BlobStore, lock: KeyedLock) {
    this.#layout = layout;
    this.#files = files;
    this.#blobs = blobs;
    this.#lock = lock;
  }

  async get(name: RepositoryName, reference: ManifestReference): Promise<StoredManifest | undefined> {
    const digest = reference.digest ?? (await this.#digestOfTag(name, reference.tag));
    if (digest === undefined) return undefined;
    const mediaType = await ifThere(readFile(this.#layout.manifestLink(name, digest), 'utf8'));
    const bytes = mediaType === undefined ? undefined : await this.#blobs.readContent(digest);
    return mediaType === undefined || bytes === undefined ? undefined : { digest, mediaType, bytes };
  }

  /**
   * Stores a manifest that all is there for, and tags it when it is pushed by tag.
   * @throws ProtocolError MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN
   */
  async put(
    name: RepositoryName,
    reference: ManifestReference,
    bytes: Buffer,
    contentType: string | undefined,
  ): Promise<{ readonly digest: Digest; readonly subject?: Digest }> {
    const document = parseManifestDocument(bytes, contentType);
    const digest = digestOf(bytes, reference.digest && algorithmOf(reference.digest));
    if (reference.digest !== undefined && reference.digest !== digest) {
      throw new ProtocolError('DIGEST_INVALID', 'provided digest did not match uploaded content', {
        detail: { digest: reference.digest },
      });
    }
    await this.#lock.run(name, async () => {
      await this.#requireReferences(name, document);
      await this.#blobs.writeContent(digest, bytes);
      await this.#files.write(this.#layout.manifestLink(name, digest), document.mediaType);
      await this.#writeReferrer(name, document, { digest, size: bytes.length });
      if (reference.tag) await this.#files.write(this.#layout.tagFile(name, reference.tag), digest);
    });
    return { digest, ...(document.subject === undefined ? {} : { subject: document.subject }) };
  }

  /** Whether there was such a tag. */
  async deleteTag(name: RepositoryName, tag: Tag): Promise<boolean> {
    return this.#lock.run(name, () => this.#files.remove(this.#layout.tagFile(name, tag)));
  }

  /** Deletes a manifest, and before it the tags that point to it. Whether there was such a manifest. */
  async delete(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#lock.run(name, async () => {
      const manifest = await this.get(name, { digest });
      if (manifest === undefined) return false;
      for (const tag of (await this.tags(name)) ?? []) {
        const tagged = await this.#digestOfTag(name, tag);
        if (tagged === digest) await this.#files.remove(this.#layout.tagFile(name, tag));
      }
      const { subject } = parseManifestDocument(manifest.bytes, manifest.mediaType);
      if (subject) await this.#files.remove(this.#layout.referrerFile(name, subject, digest));
      return this.#files.remove(this.#layout.manifestLink(name, digest));
    });
  }

  /** In the order of their bytes; undefined when there is no such repository. */
  async tags(name: RepositoryName): Promise<readonly Tag[] | undefined> {
    const files = await ifThere(readdir(this.#layout.tagsOf(name)));
    if (files === undefined) return (await isRepository(this.#layout.repositoryDir(name))) ? [] : undefined;
    return files
      .map(tagOfFileName)
      .filter((tag) => tag !== undefined)
      .sort();
  }

  /** The digests, in order, of the manifests that name `subject`. */
  async referrers(name: RepositoryName, subject: Digest): Promise<readonly Digest[]> {
    const files = await namesIn(this.#layout.referrersOf(name, subject));
    return files
      .map((file) => file.replace('-', ':'))
      .filter(isDigest)
      .sort();
  }

  /** A referrer's descriptor as JSON text; undefined when it has been deleted meanwhile. */
  async referrer(name: RepositoryName, subject: Digest, referrer: Digest): Promise<string | undefined> {
    return ifThere(readFile(this.#layout.referrerFile(name, subject, referrer), 'utf8'));
  }

  async #digestOfTag(name: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    const digest = await ifThere(readFile(this.#layout.tagFile(name, tag), 'utf8'));
    return isDigest(digest) ? digest : undefined;
  }

  async #requireReferences(name: RepositoryName, { blobs, children }: ManifestDocument): Promise<void> {
    const missing: Digest[] = [];
    for (const digest of new Set([...blobs, ...children])) {
      // BuildKit's cache exports are indexes of layers: a child may be a blob, as it may be in docker-registry.
      const found =
        (await this.#blobs.has(name, digest)) || (children.length > 0 && (await this.#has(name, digest)));
      if (!found) missing.push(digest);
    }
    if (missing.length > 0) {
      throw new ProtocolError('MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { details: missing });
    }
  }

  async #has(name: RepositoryName, digest: Digest): Promise<boolean> {
    return (await ifThere(stat(this.#layout.manifestLink(name, digest)))) !== undefined;
  }

  async #writeReferrer(
    name: RepositoryName,
    { mediaType, subject, artifactType, annotations }: ManifestDocument,
    { digest, size }: { readonly digest: Digest; readonly size: number },
  ): Promise<void> {
    if (subject === undefined) return;
    const shown = Object.keys(annotations).length > 0 ? annotations : undefined;
    const entry = JSON.stringify({ mediaType, digest, size, artifactType, annotations: shown });
    await this.#files.write(this.#layout.referrerFile(name, subject, digest), entry);
  }
}
