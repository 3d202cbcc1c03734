import { healthOf, isHealthy } from './health.js';
import { isAsleep, type Machine } from './machine.js';
import { readReleaseMetadata } from './release-metadata.js';

/**
 * Whether machines are well at this moment, for a release of which nobody noted that it is: it was handed over
 * detached, or has come round since its deploy gave up.
 */
export function areWell(machines: readonly Machine[]): boolean {
  const awake = machines.filter((machine) => !isAsleep(machine));
  const mayCount = (machine: Machine): boolean =>
    healthOf(machine) === 'passing' || readReleaseMetadata(machine.config).health === 'unwatched';
  return awake.length > 0 && awake.every((machine) => isHealthy(machine) && mayCount(machine));
}

/**
 * The last release that was healthy, as the machines of the present one tell: that one itself, or the one that it
 * remembers. A release of another program, which notes nothing, is taken for healthy.
 * @param present the release that counts as present
 */
export function lastHealthyOf(machines: readonly Machine[], present: number | undefined): number | undefined {
  const its = machines.filter(({ config }) => readReleaseMetadata(config).version === present);
  const known = its.map(({ config }) => readReleaseMetadata(config));
  const noted = known.some(({ health }) => health !== undefined);
  if (!noted || known.some(({ health }) => health === 'healthy') || areWell(its)) return present;
  return known.find(({ lastHealthy }) => lastHealthy !== undefined)?.lastHealthy;
}
