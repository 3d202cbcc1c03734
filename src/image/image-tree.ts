import { DeployerError } from '../lib/errors.js';
import { mapInParallel } from '../lib/in-parallel.js';
import type { Descriptor, Platform } from '../oci/descriptor.js';
import { isForeignLayer } from '../oci/media-types.js';
import { choosePlatform } from '../oci/platform.js';
import { platformNotFound } from './inspect.js';
import { readShape, type PlatformImage } from './shape.js';
import type { ImageSource } from './sources/source.js';
import { asDescribed, type StoredManifest } from './stored-manifest.js';

/** A manifest, or an index with all that it names, in the order of its `manifests`. */
export interface ImageTree {
  readonly stored: StoredManifest;
  readonly children: readonly ImageTree[];
}

/** Manifests asked for at the same time. */
const AT_ONCE = 6;
/** An index in an index is legal, a chain of them an attack. */
const DEEPEST = 3;
/** All manifests of an image together, in bytes: they are held until it is copied. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Reads all that an index names. */
export async function loadTree(source: ImageSource, stored: StoredManifest): Promise<ImageTree> {
  let bytes = 0;
  const load = async (node: StoredManifest, depth: number): Promise<ImageTree> => {
    bytes += node.size;
    if (bytes > MOST_BYTES) throw tooLarge(source, `its manifests have more than ${MOST_BYTES} bytes`);
    if (node.content.kind === 'manifest') return { stored: node, children: [] };
    if (depth > DEEPEST) throw tooLarge(source, `its indexes are nested more than ${DEEPEST} deep`);
    const entries = await mapInParallel(node.content.manifests, AT_ONCE, (entry) => readEntry(source, entry));
    const children: ImageTree[] = [];
    for (const entry of entries) children.push(await load(entry, depth + 1));
    return { stored: node, children };
  };
  return load(stored, 1);
}

/**
 * One platform's own manifest: an index that names less than it did would be another image, and registries refuse one
 * whose children are not there.
 * @throws DeployerError `platform_not_found`
 */
export async function choosePlatformManifest(
  source: ImageSource,
  root: StoredManifest,
  wanted: Platform,
): Promise<StoredManifest> {
  const { images } = await readShape(source, root);
  const chosen = choosePlatform(wanted, images, ({ platform }) => platform);
  if (chosen === undefined) throw platformNotFound(source.name, wanted, images);
  return manifestOf(source, root, chosen);
}

/** The only image there is, for a destination that holds but one. Undefined when there are several. */
export async function onlyImage(
  source: ImageSource,
  root: StoredManifest,
): Promise<StoredManifest | undefined> {
  const [only, ...others] = (await readShape(source, root)).images;
  return only !== undefined && others.length === 0 ? manifestOf(source, root, only) : undefined;
}

/** The manifest of one of the images that a root holds, which may be itself. */
export async function manifestOf(
  source: ImageSource,
  root: StoredManifest,
  image: Pick<PlatformImage, 'digest' | 'mediaType' | 'size'>,
): Promise<StoredManifest> {
  return image.digest === root.digest ? root : readEntry(source, image);
}

/** The blobs that a registry asks for, each once: configs and layers, but none that lie elsewhere. */
export function blobsOf(manifests: readonly StoredManifest[]): Descriptor[] {
  const blobs = manifests.flatMap(({ content }) =>
    content.kind === 'manifest' ? [content.config, ...content.layers] : [],
  );
  const here = blobs.filter(({ mediaType }) => !isForeignLayer(mediaType));
  return [...new Map(here.map((blob) => [blob.digest, blob])).values()];
}

/** All manifests of the tree, each once, children before what names them. */
export function nodesBelow(tree: ImageTree): ImageTree[] {
  const nodes = [...tree.children.flatMap(nodesBelow), tree];
  return [...new Map(nodes.map((node) => [node.stored.digest, node])).values()];
}

async function readEntry(source: ImageSource, entry: Descriptor): Promise<StoredManifest> {
  return asDescribed(source.name, entry, await source.manifest(entry));
}

function tooLarge(source: ImageSource, why: string): DeployerError {
  return new DeployerError('manifest_invalid', `${source.name} can't be copied: ${why}`);
}
