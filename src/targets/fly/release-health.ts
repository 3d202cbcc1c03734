import type { Machine } from './machine.js';
import { readReleaseMetadata } from './release-metadata.js';

/**
 * The last release that was proven healthy, as the machines of the present one tell: that one itself, or the one that
 * it remembers. How they look at this moment proves nothing. A release of another program, which notes nothing, is
 * taken for healthy.
 * @param present the release that counts as present
 */
export function lastHealthyOf(machines: readonly Machine[], present: number | undefined): number | undefined {
  const known = machines
    .map(({ config }) => readReleaseMetadata(config))
    .filter(({ version }) => version === present);
  const noted = known.some(({ health }) => health !== undefined);
  if (!noted || known.some(({ health }) => health === 'healthy')) return present;
  return known.find(({ lastHealthy }) => lastHealthy !== undefined)?.lastHealthy;
}
