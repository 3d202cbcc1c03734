import { isDigest, type Digest } from '../../oci/digest.js';
import { isDestroyed, type Machine, type MachineConfig } from './machine.js';

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
  /** Whether the release has been seen healthy: see ReleaseHealth. */
  health: 'deployer_health',
  /** The last release before this one that was healthy. */
  lastHealthy: 'deployer_last_healthy',
  /** The last release before this one on this machine that was noted as failed: its versions don't keep what is noted. */
  lastFailed: 'deployer_last_failed',
  /** The highest release that was undone on this machine: its number is not used again. */
  rolledBack: 'deployer_rolled_back',
  /** The last release whose undo left a machine that is not as before. */
  undoFailed: 'deployer_undo_failed',
} as const;

export const APP_GROUP = 'app';

/**
 * `pending`: written with the release, before anyone knows; `unwatched`: the same, with `--detach`; `healthy` and
 * `failed` (with `--no-rollback`): noted at its end. Absent where a release was made by another program.
 */
export const RELEASE_HEALTH = ['pending', 'unwatched', 'healthy', 'failed'] as const;
export type ReleaseHealth = (typeof RELEASE_HEALTH)[number];

export interface ReleaseMetadata {
  readonly id?: string;
  readonly version?: number;
  readonly digest?: Digest;
  readonly previousVersion?: number;
  readonly previousImage?: string;
  readonly rolledBack?: number;
  readonly undoFailed?: number;
  readonly health?: ReleaseHealth;
  readonly lastHealthy?: number;
  readonly lastFailed?: number;
}

/** No app has had so many releases: a higher number is not one, and counting on from it would end in none. */
const HIGHEST_VERSION = 99_999_999;

/** Reads what is there; values that make no sense count as absent. */
export function readReleaseMetadata(config: MachineConfig | null | undefined): ReleaseMetadata {
  const metadata = config?.metadata ?? {};
  const text = (key: string): string | undefined => metadata[key] || undefined;
  const count = (key: string): number | undefined => {
    const value = text(key);
    const number = value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
    return number !== undefined && number <= HIGHEST_VERSION ? number : undefined;
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
    undoFailed: count(METADATA.undoFailed),
    health: RELEASE_HEALTH.find((health) => health === text(METADATA.health)),
    lastHealthy: count(METADATA.lastHealthy),
    lastFailed: count(METADATA.lastFailed),
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

/** Of an app's machines those that its releases own, by id. */
export function machinesOfReleases(machines: readonly Machine[]): readonly Machine[] {
  return machines
    .filter((machine) => !isDestroyed(machine))
    .filter((machine) => belongsToRelease(machine.config ?? machine.incomplete_config))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
