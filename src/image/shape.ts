import type { RegistryClient } from '../registry/client.js';
import { refusalOf } from '../registry/refusal.js';
import { DeployerError } from '../lib/errors.js';
import type { Descriptor, Platform } from '../oci/descriptor.js';
import { digestOf, algorithmOf, type Digest } from '../oci/digest.js';
import { readIndex } from '../oci/image-index.js';
import { type ImageManifest } from '../oci/manifest.js';
import { normalisePlatform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import { CONFIG_LIMIT, isImageConfig, readConfigPlatform } from './config-platform.js';
import type { FoundImage } from './search.js';
import { verifyManifest, type StoredManifest } from './stored-manifest.js';

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

/** Reads what an image's own bytes don't tell: nested indexes, and the config where a platform is not named. */
export class ShapeReader {
  readonly #client: RegistryClient;

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  async read(found: FoundImage, signal?: AbortSignal): Promise<ImageShape> {
    const { content, digest, size } = found.stored;
    if (content.kind === 'index') {
      return {
        kind: 'index',
        ...(await this.#readIndex(found.reference, found.stored, new Set([digest]), 1, signal)),
      };
    }
    const platform = await this.#platformOf(found.reference, content, signal);
    const image = { digest, size, mediaType: content.mediaType, manifest: content };
    return {
      kind: 'manifest',
      images: [platform === undefined ? image : { ...image, platform }],
      attestations: [],
    };
  }

  /** A child by its digest. */
  async child(parent: Reference, digest: Digest, signal?: AbortSignal): Promise<StoredManifest> {
    const { domain, path } = parent;
    const reference: Reference = { domain, path, digest };
    return verifyManifest(await this.#client.manifest(reference, signal ? { signal } : {}), reference);
  }

  /** Attestation, layers and all: the manifest behind an index's entry, or undefined when that is no manifest. */
  async manifestOf(
    parent: Reference,
    digest: Digest,
    signal?: AbortSignal,
  ): Promise<ImageManifest | undefined> {
    const { content } = await this.child(parent, digest, signal);
    return content.kind === 'manifest' ? content : undefined;
  }

  async #readIndex(
    reference: Reference,
    stored: StoredManifest,
    seen: Set<Digest>,
    depth: number,
    signal: AbortSignal | undefined,
  ): Promise<Omit<ImageShape, 'kind'>> {
    if (stored.content.kind !== 'index') return { images: [], attestations: [] };
    if (depth > DEEPEST) throw badlyNested(`its indexes are nested more than ${DEEPEST} deep`);
    const content = readIndex(stored.content);
    const nested = content.nested.filter(({ digest }) => !seen.has(digest) && seen.add(digest));
    if (seen.size > MOST_INDEXES) throw badlyNested(`it holds more than ${MOST_INDEXES} indexes`);
    const own = await Promise.all(content.images.map((child) => this.#readChild(reference, child, signal)));
    const inner = await Promise.all(
      nested.map(async ({ digest }) =>
        this.#readIndex(reference, await this.child(reference, digest, signal), seen, depth + 1, signal),
      ),
    );
    return {
      images: [...own, ...inner.flatMap(({ images }) => images)],
      attestations: [...content.attestations, ...inner.flatMap(({ attestations }) => attestations)],
    };
  }

  async #readChild(
    reference: Reference,
    child: Descriptor,
    signal: AbortSignal | undefined,
  ): Promise<PlatformImage> {
    const { digest, mediaType, size, platform } = child;
    if (platform !== undefined) return { digest, mediaType, size, platform: normalisePlatform(platform) };
    // The index does not say: crane and others take linux/amd64 for granted; the config knows.
    const manifest = await this.manifestOf(reference, digest, signal);
    if (manifest === undefined) return { digest, mediaType, size };
    const read = await this.#platformOf(reference, manifest, signal);
    return { digest, mediaType, size, manifest, ...(read === undefined ? {} : { platform: read }) };
  }

  async #platformOf(
    reference: Reference,
    manifest: ImageManifest,
    signal: AbortSignal | undefined,
  ): Promise<Platform | undefined> {
    const bytes = await this.config(reference, manifest, signal);
    return bytes === undefined ? undefined : readConfigPlatform(bytes);
  }

  /** The image's configuration, verified; undefined for what is no container image. */
  async config(
    reference: Reference,
    { config }: ImageManifest,
    signal?: AbortSignal,
  ): Promise<Buffer | undefined> {
    if (!isImageConfig(config.mediaType)) return undefined;
    const answer = await this.#client.blob(reference, config.digest, CONFIG_LIMIT, signal);
    if (answer.status !== 200) throw refusalOf(answer, { ...reference, digest: config.digest });
    if (digestOf(answer.bytes, algorithmOf(config.digest)) !== config.digest) {
      throw new DeployerError(
        'digest_mismatch',
        `the image's config is not what its digest ${config.digest} says`,
        {
          suggestions: ['push the image again; do not use this one'],
        },
      );
    }
    return answer.bytes;
  }
}

function badlyNested(why: string): DeployerError {
  return new DeployerError('manifest_invalid', `the image is not read further: ${why}`, {
    suggestions: ['name one of its manifests by digest, or build the image again'],
  });
}
