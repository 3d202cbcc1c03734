import { cleanLine } from '../../lib/text.js';
import type { Unit } from '../target.js';
import { healthOf } from './health.js';
import { imageOf, isAsleep, isInPassing, type Machine } from './machine.js';
import { readReleaseMetadata } from './release-metadata.js';

/** A machine as the core and its views know it. */
export function unitOf(machine: Machine): Unit {
  const image = imageOf(machine);
  const { version } = readReleaseMetadata(machine.config);
  return {
    id: machine.id,
    state: cleanLine(machine.state, 30),
    // On its way to a new version it still shows the old one's checks; and one that is stopped is not asked.
    health: isInPassing(machine) || isAsleep(machine) ? 'unknown' : healthOf(machine),
    ...(image === undefined ? {} : { image: cleanLine(image) }),
    ...(machine.region ? { region: cleanLine(machine.region, 20) } : {}),
    ...(version === undefined ? {} : { releaseVersion: version }),
  };
}
