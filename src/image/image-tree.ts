import type { StoredManifest } from './stored-manifest.js';

/** A manifest, or an index with all that it names, in the order of its `manifests`. */
export interface ImageTree {
  readonly stored: StoredManifest;
  readonly children: readonly ImageTree[];
}
