import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { BlobArrival } from '../../registry/push.js';
import type { StoredManifest } from '../stored-manifest.js';

/**
 * Where an image is written to. Blobs come first, then what an index names, then `finish`: a copy that breaks leaves
 * nothing under the destination's name that is not whole.
 */
export interface ImageDestination {
  /** For messages. */
  readonly name: string;
  /** Blobs that may come at the same time. */
  readonly width: number;
  /** Whether it holds one image of one platform, and no index. */
  readonly single: boolean;
  /** What the destination's name means now; without a tag that may be several of a layout's images. */
  current(): Promise<ReadonlySet<Digest>>;
  /** Whether the manifest is there, and so all that it names. */
  hasManifest(digest: Digest): Promise<boolean>;
  /** @param onPosition told how many of the blob's bytes are on their way or there */
  blob(blob: Descriptor, content: BlobContent, onPosition: (position: number) => void): Promise<BlobArrival>;
  manifest(manifest: StoredManifest): Promise<void>;
  /** Puts the root under the destination's name. */
  finish(root: StoredManifest): Promise<void>;
  /** Puts a manifest that is about another one, and makes it be found. Its blobs are there. */
  referrer(referrer: StoredManifest, entry: Descriptor): Promise<void>;
  /** Frees what is held; what was not finished is taken back where that can be done. */
  close(): Promise<void>;
}
