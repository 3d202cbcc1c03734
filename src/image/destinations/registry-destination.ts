import { DeployerError } from '../../lib/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { digestOf, type Digest } from '../../oci/digest.js';
import { withEntry } from '../../oci/layout.js';
import { MEDIA_TYPE } from '../../oci/media-types.js';
import { formatReference, manifestNameOf, type Reference } from '../../oci/reference.js';
import type { BlobContent } from '../../registry/blob-content.js';
import { RepositoryPush, type BlobArrival, type PushedManifest } from '../../registry/push.js';
import { readReferrersTag, referrersTag } from '../../registry/referrers.js';
import type { RegistryRequests } from '../../registry/requests.js';
import type { StoredManifest } from '../stored-manifest.js';
import type { ImageDestination } from './destination.js';

export interface RegistryDestinationOptions {
  readonly requests: RegistryRequests;
  readonly signal: AbortSignal;
  /** A repository of the same registry that has (some of) the blobs. */
  readonly mountFrom?: string;
}

export class RegistryDestination implements ImageDestination {
  readonly name: string;
  readonly width = 5;
  readonly single = false;
  readonly #reference: Reference;
  readonly #options: RegistryDestinationOptions;
  readonly #push: RepositoryPush;

  constructor(reference: Reference, options: RegistryDestinationOptions) {
    const named = reference.tag === undefined && reference.digest === undefined ? { tag: 'latest' } : {};
    this.#reference = { ...reference, ...named };
    this.name = formatReference(this.#reference);
    this.#options = options;
    this.#push = new RepositoryPush(options.requests, reference, options);
  }

  async current(): Promise<ReadonlySet<Digest>> {
    const digest = await this.#push.digestOf(manifestNameOf(this.#reference));
    return new Set(digest === undefined ? [] : [digest]);
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.#push.digestOf(digest)) === digest;
  }

  blob(blob: Descriptor, content: BlobContent, onPosition: (position: number) => void): Promise<BlobArrival> {
    return this.#push.blob(blob, content, onPosition);
  }

  async manifest(manifest: StoredManifest): Promise<void> {
    await this.#push.manifest(manifest.digest, pushed(manifest));
  }

  async finish(root: StoredManifest): Promise<void> {
    const { tag, digest = root.digest } = this.#reference;
    if (digest !== root.digest) {
      throw new DeployerError('usage', `${this.name} names another digest than the image has`, {
        evidence: [`the image: ${root.digest}`],
        suggestions: ['leave the digest out of the destination'],
      });
    }
    await this.#push.manifest(tag ?? digest, pushed(root));
  }

  async referrer(referrer: StoredManifest, entry: Descriptor): Promise<void> {
    const { listed } = await this.#push.manifest(referrer.digest, pushed(referrer));
    const subject = referrer.content.subject?.digest;
    if (!listed && subject !== undefined) await this.#list(entry, subject);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A registry without the referrers API: its clients keep the list (distribution-spec 1.1, "Pushing Manifests with Subject"). */
  async #list(entry: Descriptor, subject: Digest): Promise<void> {
    const { requests, signal } = this.#options;
    const existing = await readReferrersTag(requests, this.#reference, subject, signal);
    if (existing.entries.some(({ digest }) => digest === entry.digest)) return;
    const { ociIndex: mediaType } = MEDIA_TYPE;
    const before = existing.bytes?.toString('utf8') ?? JSON.stringify({ schemaVersion: 2, mediaType });
    const bytes = Buffer.from(withEntry(before, entry, undefined));
    await this.#push.manifest(referrersTag(subject), { digest: digestOf(bytes), mediaType, bytes });
  }
}

function pushed({ digest, bytes, content: { mediaType } }: StoredManifest): PushedManifest {
  return { digest, mediaType, bytes };
}
