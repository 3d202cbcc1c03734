import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Descriptor } from './descriptor.js';
import type { Digest } from './digest.js';
import { readIndex } from './image-index.js';
import { isMeant, shortName } from './image-name.js';
import type { ImageIndex } from './manifest.js';

/* image-spec, image-layout.md: a folder (or a tar of one) with these files and blobs by their digest. */
export const LAYOUT_FILE = 'oci-layout';
export const LAYOUT_VERSION = '{"imageLayoutVersion":"1.0.0"}';
export const INDEX_FILE = 'index.json';

/** image-spec, annotations.md: the tag, or with some tools the whole name. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** containerd's, docker's and buildx': the whole name. */
export const IMAGE_NAME = 'io.containerd.image.name';

/** Which of a layout's images is meant; neither when there is but one. */
export interface LayoutChoice {
  readonly tag?: string;
  readonly digest?: Digest;
}

/** `blobs/sha256/HEX`; a digest holds nothing that leads elsewhere. */
export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** Why this is no layout that can be read; undefined when it is one. */
export function layoutProblem(marker: string): string | undefined {
  let version: unknown;
  try {
    version = (JSON.parse(marker) as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion;
  } catch {
    return 'it is not JSON';
  }
  if (typeof version !== 'string') return 'it names no imageLayoutVersion';
  return /^1\./.test(version) ? undefined : `imageLayoutVersion is "${cleanLine(version, 20)}", not 1.0.0`;
}

/**
 * Finds the image that is meant among a layout's entries.
 * @param where the layout, for messages: `oci:DIR`
 * @throws DeployerError `tag_not_found`, `digest_not_found`, `usage` when several could be meant
 */
export function chooseEntry(index: ImageIndex, { tag, digest }: LayoutChoice, where: string): Descriptor {
  const found = distinct(
    digest !== undefined
      ? index.manifests.filter((entry) => entry.digest === digest)
      : tag !== undefined
        ? index.manifests.filter((entry) => namesOf(entry).some((name) => isMeant(name, tag)))
        : standingAlone(index),
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const there = index.manifests.map((entry) => writtenAs(entry, where));
  const evidence = [there.length === 0 ? 'it holds none' : `there: ${there.slice(0, 20).join(', ')}`];
  if (found.length > 1) {
    throw new DeployerError('usage', `${where} holds several images: say which`, {
      evidence,
      suggestions: found.slice(0, 3).map((entry) => writtenAs(entry, where)),
    });
  }
  const wanted = digest ?? tag;
  throw new DeployerError(
    digest === undefined ? 'tag_not_found' : 'digest_not_found',
    wanted === undefined ? `${where} holds no image` : `${where} holds no image ${wanted}`,
    { evidence },
  );
}

/**
 * A layout's index.json with one image more: it takes the place of what had its tag, or of itself without one. What
 * else is there stays as it is.
 * @param existing the index.json so far, if there is one
 */
export function withEntry(existing: string | undefined, entry: Descriptor, tag: string | undefined): string {
  const index = (existing === undefined ? {} : JSON.parse(existing)) as Record<string, unknown>;
  const entries = (Array.isArray(index['manifests']) ? index['manifests'] : []) as Partial<Descriptor>[];
  const others = entries.filter(({ digest, annotations }) => {
    const name = annotations?.[REF_NAME];
    return tag === undefined ? name !== undefined || digest !== entry.digest : name !== tag;
  });
  const { mediaType, digest, size, artifactType, platform } = entry;
  const annotations = { ...entry.annotations, ...(tag === undefined ? {} : { [REF_NAME]: tag }) };
  const added = {
    ...{ mediaType, digest, size },
    ...(platform === undefined ? {} : { platform }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  return JSON.stringify({ schemaVersion: 2, ...index, manifests: [...others, added] });
}

/**
 * What can be meant when nothing is said: no attestation, and nothing that is there for another's sake. Where something
 * has a name, that: oras lists an index's children beside it.
 */
function standingAlone(index: ImageIndex): readonly Descriptor[] {
  const { images, nested } = readIndex(index);
  const all = [...images, ...nested];
  const named = all.filter((entry) => namesOf(entry).length > 0);
  return named.length > 0 ? named : all;
}

function namesOf({ annotations }: Descriptor): string[] {
  return [annotations?.[REF_NAME], annotations?.[IMAGE_NAME]]
    .filter((name) => name !== undefined)
    .map((name) => cleanLine(name, 300));
}

/** What would be taken for it. In an archive several images may have one tag, and what is saved has its whole name. */
function writtenAs(entry: Descriptor, where: string): string {
  const names = namesOf(entry);
  if (!where.startsWith('docker-archive:'))
    return names[0] === undefined ? `${where}@${entry.digest}` : `${where}:${names[0]}`;
  return `${where}:${shortName(names.at(-1) ?? entry.digest)}`;
}

function distinct(entries: readonly Descriptor[]): Descriptor[] {
  return [...new Map(entries.map((entry) => [entry.digest, entry])).values()];
}
