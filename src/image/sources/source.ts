import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { StoredManifest } from '../stored-manifest.js';

/** What an image is made of, by digest; all that it gives has been checked against that. */
export interface ImageContent {
  /** What an index names. */
  manifest(entry: Descriptor): Promise<StoredManifest>;
  blob(blob: Descriptor): BlobContent;
}

/** Where an image is read from. */
export interface ImageSource extends ImageContent {
  /** For messages. */
  readonly name: string;
  /** In whose registry other repositories may mount its blobs. */
  readonly repository?: { readonly domain: string; readonly path: string };
  /** What `root` would give, asked as cheaply as it can be; undefined when that is not known beforehand. */
  rootDigest(): Promise<Digest | undefined>;
  /** The manifest or index that is meant. */
  root(): Promise<StoredManifest>;
  /** What is about this manifest (signatures, SBOMs): `subject`, distribution-spec 1.1. */
  referrers(digest: Digest): Promise<readonly Descriptor[]>;
  close(): Promise<void>;
}
