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
  /** Who pulls, where that is told; else whoever runs the target sees to it. */
  readonly pull?: PullAccess;
  /** Registries of the target where an image shows up only some time after its push, and how long that may take. */
  readonly lag?: { readonly hosts: readonly string[]; readonly ms: number };
  /** One line for a person: why it is so, and since when. */
  readonly note: string;
}

/** With whose rights a target pulls: what decides whether it can have a private image. */
export interface PullAccess {
  /** Registries that the platform reads with an access of its own; written as in `registries`. */
  readonly own: readonly string[];
  /** From all others: as anyone can, or with credentials that it is given. */
  readonly elsewhere: 'anonymous' | 'credentials';
  /** One clause for a person: `fly pulls public images, and those of registry.fly.io`. */
  readonly how: string;
}

/** A platform that `image diagnose` judges for. */
export interface KnownPlatform {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** A repository that it pulls from, for commands to fill in: `registry.fly.io/APP`. */
  readonly repository?: string;
  /** `deployer deploy --target NAME` hands images to it. */
  readonly deploys?: boolean;
}

/** Whether a registry's host is one of these: a name, or `*.` and the end of one. */
export function isRegistryOf(hosts: readonly string[], domain: string): boolean {
  return hosts.some((host) => (host.startsWith('*.') ? domain.endsWith(host.slice(1)) : domain === host));
}
