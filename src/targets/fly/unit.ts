import { cleanLine } from '../../lib/text.js';
import type { Unit } from '../target.js';
import { healthOf, markRun, whyDead, whyDown } from './health.js';
import { imageOf, isAsleep, isInPassing, type Machine } from './machine.js';
import { readReleaseMetadata } from './release-metadata.js';

/** A machine as the core and its views know it. */
export function unitOf(machine: Machine): Unit {
  const image = imageOf(machine);
  const { version } = readReleaseMetadata(machine.config);
  const reason = reasonOf(machine);
  return {
    id: machine.id,
    state: cleanLine(machine.state, 30),
    // On its way to a new version it still shows the old one's checks; and one that is stopped is not asked.
    health: isInPassing(machine) || isAsleep(machine) ? 'unknown' : healthOf(machine),
    ...(image === undefined ? {} : { image: cleanLine(image) }),
    ...(machine.region ? { region: cleanLine(machine.region, 20) } : {}),
    ...(version === undefined ? {} : { releaseVersion: version }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** What its events tell of its present version. One exit that a restart has mended is none; nor is a check's pass a loop. */
function reasonOf(machine: Machine): string | undefined {
  const mark = markRun(undefined, machine);
  if (machine.state !== 'started') return whyDown(machine, mark);
  return healthOf(machine) === 'passing' ? undefined : whyDead(machine, mark);
}
