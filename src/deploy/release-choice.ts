import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { ReleaseRecord } from '../targets/target.js';

/** Releases named in an error: more than these nobody reads. */
const MOST_NAMED = 10;

/** The release that runs, wholly or in part: the newest that has machines. */
export function presentRelease(releases: readonly ReleaseRecord[]): ReleaseRecord | undefined {
  return newestFirst(releases).find(({ units }) => units > 0);
}

/**
 * The release that is meant: `v11`, `11`, or its id; unless told the last one before the present that was healthy,
 * not itself undone, and not the same again.
 * @throws DeployerError `release_not_found`, naming those that there are
 */
export function chooseRelease(
  releases: readonly ReleaseRecord[],
  wanted: string | undefined,
  app: string,
): ReleaseRecord {
  const chosen = wanted === undefined ? beforePresent(releases) : findRelease(releases, wanted);
  if (chosen !== undefined) return chosen;
  const what =
    wanted === undefined
      ? 'no release before the present one that was healthy'
      : `no release ${cleanLine(wanted, 60)}`;
  const there = newestFirst(releases).map(({ version, status }) => `v${version} (${status})`);
  throw new DeployerError('release_not_found', `${app} has ${what}`, {
    evidence: [
      there.length === 0
        ? 'no release is known of it'
        : `there: ${there.slice(0, MOST_NAMED).join(', ')}${there.length > MOST_NAMED ? ', …' : ''}`,
    ],
    suggestions: [
      `deployer release list -a ${app}`,
      ...(wanted === undefined && there.length > 1
        ? [`name one: deployer release rollback vN -a ${app}`]
        : []),
    ],
  });
}

function findRelease(releases: readonly ReleaseRecord[], wanted: string): ReleaseRecord | undefined {
  const version = /^v?(\d{1,9})$/.exec(wanted)?.[1];
  return releases.find((release) => release.id === wanted || String(release.version) === version);
}

function beforePresent(releases: readonly ReleaseRecord[]): ReleaseRecord | undefined {
  const present = presentRelease(releases)?.version ?? 0;
  return newestFirst(releases).find(
    ({ version, status, wasHealthy, sameAsPresent }) =>
      version < present && status !== 'rolled-back' && wasHealthy !== false && sameAsPresent !== true,
  );
}

function newestFirst(releases: readonly ReleaseRecord[]): ReleaseRecord[] {
  return [...releases].sort((a, b) => b.version - a.version);
}
