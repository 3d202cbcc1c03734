import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Descriptor } from './descriptor.js';
import { isMeant, shortName } from './image-name.js';
import { MEDIA_TYPE } from './media-types.js';

/** Of `docker save`, in every version of its archive (moby, image/tarexport). */
export const ARCHIVE_MANIFEST = 'manifest.json';

/** One image of an archive; paths are names of entries in the tar. */
export interface ArchivedImage {
  readonly config: string;
  readonly repoTags: readonly string[];
  /** From the lowest up. */
  readonly layers: readonly string[];
}

const MOST_IMAGES = 1000;
const MOST_LAYERS = 10_000;

/** @throws DeployerError `image_file_invalid` */
export function parseArchiveManifest(text: string, where: string): ArchivedImage[] {
  const fail = (why: string): DeployerError =>
    new DeployerError('image_file_invalid', `${ARCHIVE_MANIFEST} in ${where} can't be used: ${why}`);
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw fail('it is not JSON');
  }
  if (!Array.isArray(list) || list.length > MOST_IMAGES) throw fail('it is no list of images');
  return list.map((entry: unknown) => {
    const { Config: config, RepoTags: tags, Layers: layers } = (entry ?? {}) as Record<string, unknown>;
    if (typeof config !== 'string') throw fail('an image has no Config');
    if (!isStrings(layers) || layers.length > MOST_LAYERS) throw fail('an image has no list of Layers');
    return { config, layers, repoTags: isStrings(tags) ? tags : [] };
  });
}

/**
 * Finds the image that is meant.
 * @param name one of its RepoTags, or nothing when there is but one image
 * @throws DeployerError `tag_not_found`; `usage` when several could be meant
 */
export function chooseArchived(
  images: readonly ArchivedImage[],
  name: string | undefined,
  where: string,
): ArchivedImage {
  const found =
    name === undefined ? images : images.filter(({ repoTags }) => repoTags.some((tag) => isMeant(tag, name)));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const there = images
    .flatMap(({ repoTags }) => repoTags)
    .map((tag) => `${where}:${shortName(cleanLine(tag, 300))}`);
  const evidence = [
    there.length === 0 ? 'no image in it has a name' : `there: ${there.slice(0, 20).join(', ')}`,
  ];
  if (found.length > 1) {
    throw new DeployerError('usage', `${where} holds several images: say which`, {
      evidence,
      suggestions: there.slice(0, 3),
    });
  }
  throw new DeployerError(
    'tag_not_found',
    name === undefined ? `${where} holds no image` : `${where} holds no image named ${cleanLine(name, 100)}`,
    { evidence },
  );
}

/**
 * The manifest of an image that was saved without one. The config keeps its bytes (docker's is a valid OCI one), so
 * that the image's id stays. The same archive gives the same manifest, everywhere.
 */
export function manifestOfArchived(config: Descriptor, layers: readonly Descriptor[]): Buffer {
  const { ociManifest } = MEDIA_TYPE;
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers }));
}

/** The manifest.json of an archive that is an OCI layout too, as docker saves since version 25. */
export function archiveManifest(image: ArchivedImage): string {
  const { config, repoTags, layers } = image;
  return JSON.stringify([
    { Config: config, RepoTags: repoTags.length === 0 ? null : repoTags, Layers: layers },
  ]);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
