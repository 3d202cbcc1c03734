import { DeployerError } from '../lib/errors.js';
import { mapInParallel } from '../lib/in-parallel.js';
import type { Descriptor, Platform } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { readIndex } from '../oci/image-index.js';
import type { ImageIndex, ImageManifest } from '../oci/manifest.js';
import { normalisePlatform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import { CONFIG_LIMIT, isImageConfig, readConfigPlatform } from './config-platform.js';
import type { FoundImage } from './search.js';
import { RepositoryContent } from './sources/repository-content.js';
import type { ImageContent } from './sources/source.js';
import type { StoredManifest } from './stored-manifest.js';

/** One image that can be run, and for what platform. */
export interface PlatformImage {
  readonly digest: Digest;
  readonly mediaType: string;
  /** The manifest's own size in bytes. */
  readonly size: number;
  /** Undefined only for what is no container image (an artifact has no platform). */
  readonly platform?: Platform;
  /** There when it had to be read, or the image is a single manifest. */
  readonly manifest?: ImageManifest;
}

/** What an image really is: its runnable parts and its attestations, through nested indexes. */
export interface ImageShape {
  readonly kind: 'index' | 'manifest';
  readonly images: readonly PlatformImage[];
  readonly attestations: readonly { readonly descriptor: Descriptor; readonly subject?: Digest }[];
}

/** An index in an index is legal; a chain of them, or a tree of thousands, is an attack. */
const DEEPEST = 3;
const MOST_INDEXES = 50;
/** Manifests asked for at the same time. */
const AT_ONCE = 6;

/**
 * Reads what an image's own bytes don't tell: nested indexes, and the config where a platform is not named.
 * @throws DeployerError `manifest_invalid`, and what the content throws
 */
export async function readShape(content: ImageContent, root: StoredManifest): Promise<ImageShape> {
  if (root.content.kind === 'index')
    return { kind: 'index', ...(await readIndexShape(content, root.content, new Set([root.digest]), 1)) };
  return { kind: 'manifest', images: [await readImage(content, root, root.content)], attestations: [] };
}

/** The manifest behind an index's entry, or undefined when that is no manifest. */
export async function readManifest(
  content: ImageContent,
  entry: Descriptor,
): Promise<ImageManifest | undefined> {
  const stored = await content.manifest(entry);
  return stored.content.kind === 'manifest' ? stored.content : undefined;
}

async function readIndexShape(
  content: ImageContent,
  index: ImageIndex,
  seen: Set<Digest>,
  depth: number,
): Promise<Omit<ImageShape, 'kind'>> {
  if (depth > DEEPEST) throw badlyNested(`its indexes are nested more than ${DEEPEST} deep`);
  const { images, nested, attestations } = readIndex(index);
  const fresh = nested.filter(({ digest }) => !seen.has(digest) && seen.add(digest));
  if (seen.size > MOST_INDEXES) throw badlyNested(`it holds more than ${MOST_INDEXES} indexes`);
  const own = await mapInParallel(images, AT_ONCE, (entry) => readEntryImage(content, entry));
  const inner = await mapInParallel(fresh, AT_ONCE, async (entry) => {
    const stored = await content.manifest(entry);
    return stored.content.kind === 'index'
      ? readIndexShape(content, stored.content, seen, depth + 1)
      : { images: [], attestations: [] };
  });
  return {
    images: [...own, ...inner.flatMap((shape) => shape.images)],
    attestations: [...attestations, ...inner.flatMap((shape) => shape.attestations)],
  };
}

async function readEntryImage(content: ImageContent, entry: Descriptor): Promise<PlatformImage> {
  const { digest, mediaType, size, platform } = entry;
  if (platform !== undefined) return { digest, mediaType, size, platform: normalisePlatform(platform) };
  // The index does not say: crane and others take linux/amd64 for granted; the config knows.
  const manifest = await readManifest(content, entry);
  return manifest === undefined ? { digest, mediaType, size } : readImage(content, entry, manifest);
}

async function readImage(
  content: ImageContent,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  manifest: ImageManifest,
): Promise<PlatformImage> {
  const image = { digest, size, mediaType: manifest.mediaType, manifest };
  const config = await readConfig(content, manifest);
  const platform = config === undefined ? undefined : readConfigPlatform(config);
  return platform === undefined ? image : { ...image, platform };
}

/** An image's configuration; undefined for what is no container image. */
export async function readConfig(
  content: ImageContent,
  { config }: ImageManifest,
): Promise<Buffer | undefined> {
  if (!isImageConfig(config.mediaType) || config.size > CONFIG_LIMIT) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of content.blob(config).open(0, 'here')) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** The shapes of what lies in a registry. */
export class ShapeReader {
  readonly #client: RegistryClient;

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  read({ reference, stored }: FoundImage, signal?: AbortSignal): Promise<ImageShape> {
    return readShape(this.contentOf(reference, signal), stored);
  }

  contentOf(repository: Pick<Reference, 'domain' | 'path'>, signal?: AbortSignal): ImageContent {
    return new RepositoryContent(repository, this.#client, signal);
  }

  /** Attestation, layers and all: the manifest of this entry, or undefined when that is none. */
  async manifestOf(
    parent: Reference,
    entry: Descriptor,
    signal?: AbortSignal,
  ): Promise<ImageManifest | undefined> {
    const { content } = await new RepositoryContent(parent, this.#client, signal).manifest(entry);
    return content.kind === 'manifest' ? content : undefined;
  }
}

function badlyNested(why: string): DeployerError {
  return new DeployerError('manifest_invalid', `the image is not read further: ${why}`, {
    suggestions: ['name one of its manifests by digest, or build the image again'],
  });
}
