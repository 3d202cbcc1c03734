import { cleanLine } from '../../lib/text.js';
import type { ReleaseRecord } from '../target.js';
import { imageOf, type Machine, type MachineConfig, type MachineVersion } from './machine.js';
import { readReleaseMetadata, type ReleaseHealth } from './release-metadata.js';
import { sameConfig } from './same-config.js';
import { isUp } from './up.js';

/** A machine with the configurations that it has had, newest first. */
export interface MachineHistory {
  readonly machine: Machine;
  readonly versions: readonly MachineVersion[];
}

/** A release with the configuration that its machines got. */
export interface PastRelease {
  readonly record: ReleaseRecord;
  /** Undefined when it is known from a later release's metadata alone. */
  readonly config?: MachineConfig;
}

interface Trace {
  readonly machine: Machine;
  readonly config: MachineConfig;
  /** The image by digest, where known. */
  readonly image: string | undefined;
  readonly current: boolean;
  readonly createdAt?: number;
}

/**
 * The app's releases, newest first, as its machines remember them: their present metadata, those of their earlier
 * versions, and what the oldest of these say of the release before.
 */
export function releasesOf(histories: readonly MachineHistory[]): readonly PastRelease[] {
  const traces = histories.flatMap(tracesOf);
  const undone = new Set(traces.map(({ config }) => readReleaseMetadata(config).rolledBack));
  const stuck = new Set(traces.map(({ config }) => readReleaseMetadata(config).undoFailed));
  const failed = new Set(traces.map(({ config }) => readReleaseMetadata(config).lastFailed));
  const healthy = healthyReleases(traces);
  const byVersion = new Map<number, [Trace, ...Trace[]]>();
  for (const trace of traces) {
    const { version } = readReleaseMetadata(trace.config);
    if (version === undefined) continue;
    const seen = byVersion.get(version);
    if (seen === undefined) byVersion.set(version, [trace]);
    else seen.push(trace);
  }
  const mentioned = imagesOfPredecessors(traces);
  const releases = [...byVersion].map(([version, ofVersion]) =>
    pastRelease(version, withImage(ofVersion, mentioned.get(version)), {
      machines: histories.length,
      undone: undone.has(version),
      stuck: stuck.has(version),
      failed: failed.has(version),
      healthy: healthy.has(version),
    }),
  );
  // The platform does not keep a machine's versions for ever.
  const forgotten = [...mentioned]
    .filter(([version]) => !byVersion.has(version))
    .map(([version, image]) => mentionedRelease(version, image, healthy.has(version)));
  return withRepeats([...releases, ...forgotten].sort((a, b) => b.record.version - a.record.version));
}

/** A rollback makes a new release of an old one: with that, the old one is the same as the present. */
function withRepeats(releases: readonly PastRelease[]): readonly PastRelease[] {
  const present = releases.find(({ record }) => record.units > 0);
  return releases.map((past) => {
    const { record, config } = past;
    if (past === present || config === undefined || present?.config === undefined) return past;
    return sameConfig(config, present.config)
      ? { ...past, record: { ...record, sameAsPresent: true } }
      : past;
  });
}

/** What each release says of the one before it: its image, by digest where that was known when it still ran. */
function imagesOfPredecessors(traces: readonly Trace[]): ReadonlyMap<number, string> {
  return new Map(
    traces.flatMap(({ config }): [number, string][] => {
      const read = readReleaseMetadata(config);
      const { previousVersion: version, previousImage: image } = read;
      // Its predecessor can't be later than itself: metadata may be anyone's.
      const isBefore = version !== undefined && version < (read.version ?? 0);
      return !isBefore || image === undefined ? [] : [[version, image]];
    }),
  );
}

/** Noted on the machines that run it, and after that in what its successors remember. */
function healthyReleases(traces: readonly Trace[]): ReadonlySet<number> {
  return new Set(
    traces.flatMap(({ config }) => {
      const { version, health, lastHealthy } = readReleaseMetadata(config);
      return [...(health === 'healthy' ? [version] : []), lastHealthy].filter(
        (each): each is number => each !== undefined,
      );
    }),
  );
}

/** A release that flyctl made names its image by tag; its successor has noted the digest. */
function withImage(
  traces: readonly [Trace, ...Trace[]],
  mentioned: string | undefined,
): readonly [Trace, ...Trace[]] {
  const known = traces.some(({ image }) => image?.includes('@'));
  const [first, ...others] = traces;
  return known || mentioned === undefined ? traces : [{ ...first, image: mentioned }, ...others];
}

function mentionedRelease(version: number, image: string, healthy: boolean): PastRelease {
  const wasHealthy = healthy ? { wasHealthy: true } : {};
  return {
    record: {
      id: `v${version}`,
      version,
      ...imageFields(image),
      status: 'past',
      ...wasHealthy,
      units: 0,
      unitsUp: 0,
    },
  };
}

function tracesOf({ machine, versions }: MachineHistory): Trace[] {
  const present = machine.config
    ? [{ machine, config: machine.config, image: imageOf(machine), current: true }]
    : [];
  const earlier = versions.flatMap(({ version, user_config: config }): Trace[] => {
    if (!config || version === machine.instance_id) return [];
    const at = ulidTime(version);
    const trace = { machine, config, image: config.image ?? undefined, current: false };
    return [at === undefined ? trace : { ...trace, createdAt: at }];
  });
  const at = machine.instance_id ? ulidTime(machine.instance_id) : undefined;
  return [...present.map((trace) => (at === undefined ? trace : { ...trace, createdAt: at })), ...earlier];
}

interface Known {
  readonly machines: number;
  readonly undone: boolean;
  /** Its undo left a machine that is not as before. */
  readonly stuck: boolean;
  /** Its deploy has noted that it failed; remembered by its successors. */
  readonly failed: boolean;
}

function pastRelease(
  version: number,
  traces: readonly [Trace, ...Trace[]],
  known: Known & { readonly healthy: boolean },
): PastRelease {
  // Of several the one by digest: the platform knows it for what runs now, and keeps it with no older version.
  const trace = traces.find(({ image }) => image?.includes('@')) ?? traces[0];
  const runningOn = [...new Set(traces.filter(({ current }) => current).map(({ machine }) => machine))];
  const times = traces.map(({ createdAt }) => createdAt).filter((at): at is number => at !== undefined);
  const metadata = readReleaseMetadata(trace.config);
  const noted = new Set(traces.map(({ config }) => readReleaseMetadata(config).health));
  noted.delete(undefined);
  const wasHealthy = known.healthy || (noted.size === 0 ? undefined : false);
  return {
    record: {
      id: cleanLine(metadata.id ?? `v${version}`, 80),
      version,
      ...imageFields(trace.image),
      status: statusOf(runningOn.length, known, wasHealthy, noted),
      ...(wasHealthy === undefined ? {} : { wasHealthy }),
      ...(times.length === 0 ? {} : { createdAt: new Date(Math.min(...times)).toISOString() }),
      units: runningOn.length,
      unitsUp: runningOn.filter(isUp).length,
    },
    config: trace.config,
  };
}

function statusOf(
  running: number,
  { machines, undone, stuck, failed }: Known,
  wasHealthy: boolean | undefined,
  noted: ReadonlySet<ReleaseHealth | undefined>,
): ReleaseRecord['status'] {
  if (running > 0 && running < machines) return 'partial';
  if (stuck) return 'failed';
  if (running === 0 && undone) return 'rolled-back';
  if (wasHealthy !== false) return running > 0 ? 'running' : 'past';
  // Its deploy has seen it fail; or nobody has looked (yet), or could note what was seen.
  return failed || noted.has('failed') ? 'failed' : 'unproven';
}

function imageFields(image = ''): Pick<ReleaseRecord, 'image' | 'digest'> {
  const at = image.indexOf('@');
  return {
    image: cleanLine(image),
    ...(at === -1 ? {} : { digest: cleanLine(image.slice(at + 1), 150) }),
  };
}

const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A machine version is named by a ULID, whose first ten characters are the time; undefined for another name. */
function ulidTime(version: string): number | undefined {
  if (!/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(version)) return undefined;
  return [...version.slice(0, 10)].reduce((time, letter) => time * 32 + BASE32.indexOf(letter), 0);
}
