import { isDigest, type Digest } from '../../oci/digest.js';
import type { MachineConfig } from './machine.js';

/**
 * What a machine's metadata say of its release. `fly_*` are the platform's own keys, which flyctl groups
 * machines by; `deployer_*` are this program's, and enough to recover from after a crash.
 */
export const METADATA = {
  platformVersion: 'fly_platform_version',
  processGroup: 'fly_process_group',
  flyReleaseId: 'fly_release_id',
  releaseVersion: 'fly_release_version',
  releaseId: 'deployer_release_id',
  digest: 'deployer_digest',
  previousVersion: 'deployer_previous_version',
  previousDigest: 'deployer_previous_digest',
  previousImage: 'deployer_previous_image',
  /** The internal port of the service made from `[http_service]`, so that it can be taken away again. */
  httpService: 'deployer_http_service',
  /** The highest release that was undone on this machine: its number is not used again. */
  rolledBack: 'deployer_rolled_back',
} as const;

export const APP_GROUP = 'app';

export interface ReleaseMetadata {
  readonly id?: string;
  readonly version?: number;
  readonly digest?: Digest;
  readonly previousVersion?: number;
  readonly previousImage?: string;
  readonly rolledBack?: number;
}

/** Reads what is there; values that make no sense count as absent. */
export function readReleaseMetadata(config: MachineConfig | null | undefined): ReleaseMetadata {
  const metadata = config?.metadata ?? {};
  const text = (key: string): string | undefined => metadata[key] || undefined;
  const count = (key: string): number | undefined => {
    const value = text(key);
    return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  };
  const id = text(METADATA.releaseId) ?? text(METADATA.flyReleaseId);
  const digest = text(METADATA.digest);
  const read = {
    id,
    version: count(METADATA.releaseVersion),
    digest: isDigest(digest) ? digest : undefined,
    previousVersion: count(METADATA.previousVersion),
    previousImage: text(METADATA.previousImage),
    rolledBack: count(METADATA.rolledBack),
  };
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined));
}

/** Whether releases of the app's default process group own this machine: flyctl made it, or this program. */
export function belongsToRelease(config: MachineConfig | null | undefined): boolean {
  const metadata = config?.metadata ?? {};
  if ((config?.standbys ?? []).length > 0) return false;
  if ((metadata[METADATA.processGroup] ?? APP_GROUP) !== APP_GROUP) return false;
  return metadata[METADATA.platformVersion] === 'v2' || METADATA.releaseId in metadata;
}
