import type { AppStatus, ReleaseRecord, Target, Unit } from '../targets/target.js';
import { chooseRelease, presentRelease } from './release-choice.js';

export type { ReleaseRecord, Unit } from '../targets/target.js';

/** The `--json` document of `status`: units are called what `deploy` calls them. */
export type StatusDocument = Omit<AppStatus, 'units'> & { readonly machines: readonly Unit[] };

/** The `--json` document of `release list`. */
export interface ReleaseListDocument {
  readonly app: string;
  readonly target: string;
  /** Newest first. */
  readonly releases: readonly ReleaseRecord[];
}

/** The `--json` document of `release show`. */
export interface ReleaseDocument {
  readonly app: string;
  readonly target: string;
  readonly release: ReleaseRecord;
  /** Those that run it. */
  readonly machines: readonly Unit[];
}

export async function readStatus(target: Target, app: string, signal: AbortSignal): Promise<StatusDocument> {
  const { units, ...rest } = await target.status(app, signal);
  return { ...rest, machines: units };
}

export async function readReleases(
  target: Target,
  app: string,
  signal: AbortSignal,
): Promise<ReleaseListDocument> {
  return { app, target: target.name, releases: await target.releases(app, signal) };
}

/**
 * A release with the machines that run it.
 * @param wanted as for `chooseRelease`, but the present one unless told
 * @throws DeployerError `release_not_found`
 */
export async function readRelease(
  target: Target,
  app: string,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<ReleaseDocument> {
  const releases = await target.releases(app, signal);
  const present = wanted === undefined ? presentRelease(releases) : undefined;
  const release = present ?? chooseRelease(releases, wanted, app);
  const { units } = release.units === 0 ? { units: [] } : await target.status(app, signal);
  const machines = units.filter(({ releaseVersion }) => releaseVersion === release.version);
  return { app, target: target.name, release, machines };
}
