import type { DeployImage, ReleaseIdentity, ReleaseRequest } from '../target.js';
import { imageOf, type Machine } from './machine.js';
import { lastHealthyOf } from './release-health.js';
import { readReleaseMetadata, type ReleaseHealth } from './release-metadata.js';

/** What a release is called, and which one it replaces. */
export interface ReleaseLabel {
  readonly id: string;
  readonly version: number;
  readonly image: DeployImage;
  /** What is known of its health while it is being written. */
  readonly health: ReleaseHealth;
  /** The last release before it that was healthy. */
  readonly lastHealthy?: number;
  readonly previous?: {
    readonly version?: number;
    readonly image?: string;
    readonly digest?: string;
  };
}

/**
 * The next release's number, and the release before it. A deploy that broke off leaves machines of two releases:
 * the one it came from, which was whole, has the lower number.
 */
export function labelOf(request: ReleaseRequest, machines: readonly Machine[]): ReleaseLabel {
  const known = machines.map((machine) => ({ machine, ...readReleaseMetadata(machine.config) }));
  const used = known.flatMap(({ version = 0, rolledBack = 0 }) => [version, rolledBack]);
  const before = known.sort((a, b) => (a.version ?? 0) - (b.version ?? 0))[0];
  const image = before && imageOf(before.machine);
  const digest = before?.digest ?? (image?.includes('@') ? image.slice(image.indexOf('@') + 1) : undefined);
  const previous = before && { version: before.version, image, digest };
  const lastHealthy = lastHealthyOf(machines, before?.version);
  return {
    id: request.releaseId,
    version: Math.max(0, ...used) + 1,
    image: request.image,
    health: request.detach ? 'unwatched' : 'pending',
    ...(lastHealthy === undefined ? {} : { lastHealthy }),
    ...(previous === undefined ? {} : { previous }),
  };
}

/** @param restores the version that it puts back: nobody goes back to what is put back right now */
export function plannedRelease(
  { id, version, previous, lastHealthy }: ReleaseLabel,
  restores: number | undefined,
): ReleaseIdentity {
  return {
    id,
    version,
    ...(previous?.version === undefined ? {} : { previous: previous.version }),
    ...(lastHealthy === undefined || lastHealthy === restores ? {} : { lastHealthy }),
  };
}

/** The release that a machine runs. */
export function presentRelease(machine: Machine | undefined): ReleaseIdentity {
  const { id, version, previousVersion, lastHealthy } = readReleaseMetadata(machine?.config);
  return {
    id: id ?? 'unknown',
    version: version ?? 0,
    ...(previousVersion === undefined ? {} : { previous: previousVersion }),
    ...(lastHealthy === undefined ? {} : { lastHealthy }),
  };
}
