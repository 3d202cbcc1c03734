import { METADATA } from './release-metadata.js';
import type { MachineConfig } from './machine.js';

/** Labels of a release, which differ between two that are otherwise the same. */
const LABELS: ReadonlySet<string> = new Set([
  METADATA.flyReleaseId,
  METADATA.releaseVersion,
  METADATA.releaseId,
  METADATA.previousVersion,
  METADATA.previousDigest,
  METADATA.previousImage,
  METADATA.rolledBack,
  METADATA.undoFailed,
  METADATA.health,
  METADATA.lastHealthy,
  METADATA.lastFailed,
]);

/**
 * Whether a machine with configuration `present` already runs as `wanted` asks, the release's labels apart.
 * What the API adds or spells in its own way (a null, an empty list, `autostop: true`) is no difference; when in
 * doubt there is one: an update too many does no harm.
 */
export function sameConfig(present: MachineConfig, wanted: MachineConfig): boolean {
  return JSON.stringify(canonical(present)) === JSON.stringify(canonical(wanted));
}

function canonical(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => canonical(item));
  if (value === null || typeof value !== 'object') return scalar(value, key);
  const entries = Object.entries(value)
    .filter(([name]) => !LABELS.has(name))
    .map(([name, item]): [string, unknown] => [name, canonical(item, name)])
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function scalar(value: unknown, key: string): unknown {
  if (value === null) return undefined;
  if (key === 'autostop') return value === true ? 'stop' : value === false ? 'off' : value;
  // Go's encoders leave out a false or zero field.
  if ((key === 'force_https' && value === false) || (key === 'min_machines_running' && value === 0))
    return undefined;
  return value;
}
