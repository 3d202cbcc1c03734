import type { Platform } from '../oci/descriptor.js';

/** What manifests a target can run. The core decides from this table; a target only declares it. */
export interface Capabilities {
  /** An OCI index or a Docker manifest list. */
  readonly index: boolean;
  /** An index that holds attestation manifests. */
  readonly attestation: boolean;
  readonly oci: boolean;
  readonly docker: boolean;
  readonly zstd: boolean;
  /** The platforms it runs, best first. */
  readonly platforms: readonly Platform[];
  /** `any` public registry, or only those that a host name fits: `registry.heroku.com`, `*.pkg.dev`. */
  readonly registries: 'any' | readonly string[];
  /** Takes `repository@digest`. */
  readonly digestReference: boolean;
  /** Registries of the target where an image shows up only some time after its push, and how long that may take. */
  readonly lag?: { readonly hosts: readonly string[]; readonly ms: number };
  /** One line for a person: why it is so, and since when. */
  readonly note: string;
}
