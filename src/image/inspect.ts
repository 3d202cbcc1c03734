import type { Descriptor, Platform } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { choosePlatform, formatPlatform } from '../oci/platform.js';
import { DeployerError } from '../lib/errors.js';
import { mapInParallel } from '../lib/in-parallel.js';
import { readManifest, readShape, type ImageShape, type PlatformImage } from './shape.js';
import type { ImageContent } from './sources/source.js';
import type { StoredManifest } from './stored-manifest.js';

export interface InspectedPlatform extends Platform {
  readonly digest: Digest;
  /** The manifest, its config and its layers, in bytes. */
  readonly size: number;
  readonly layers: readonly Pick<Descriptor, 'digest' | 'size' | 'mediaType'>[];
}

export interface InspectedAttestation {
  readonly digest: Digest;
  readonly subject?: Digest;
  readonly predicateTypes: readonly string[];
}

/** What is inspected, wherever it lies. */
export interface InspectedImage {
  /** As a person names it: a reference, `oci:DIR:TAG`. */
  readonly name: string;
  readonly stored: StoredManifest;
  readonly content: ImageContent;
}

/** The `--json` document of `deployer image inspect`. */
export interface Inspection {
  readonly reference: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly kind: 'index' | 'manifest';
  /** The manifest's or index's own bytes. */
  readonly size: number;
  readonly platforms: readonly InspectedPlatform[];
  readonly attestations: readonly InspectedAttestation[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Children asked for at the same time. */
const AT_ONCE = 6;
const PREDICATE_TYPE = 'in-toto.io/predicate-type';

/**
 * Everything one can ask of an image without pulling it.
 * @param only leave out the other platforms
 * @throws DeployerError `platform_not_found` when `only` is not there
 */
export async function inspectImage(
  { name, stored, content }: InspectedImage,
  only?: Platform,
): Promise<Inspection> {
  const shape = await readShape(content, stored);
  const images = only === undefined ? shape.images : [onlyPlatform(shape, only, name)];
  const digests = new Set(images.map(({ digest }) => digest));
  const attestations = shape.attestations.filter(
    ({ subject }) => only === undefined || (subject !== undefined && digests.has(subject)),
  );
  const [platforms, inspected] = await Promise.all([
    mapInParallel(images, AT_ONCE, (image) => inspectPlatform(content, image)),
    mapInParallel(attestations, AT_ONCE, async ({ descriptor, subject }) => ({
      digest: descriptor.digest,
      ...(subject === undefined ? {} : { subject }),
      predicateTypes: await predicateTypes(content, descriptor),
    })),
  ]);
  return {
    reference: name,
    digest: stored.digest,
    mediaType: stored.content.mediaType,
    kind: shape.kind,
    size: stored.size,
    platforms,
    attestations: inspected,
    annotations: stored.content.annotations,
  };
}

function onlyPlatform(shape: ImageShape, only: Platform, name: string): PlatformImage {
  const image = choosePlatform(only, shape.images, ({ platform }) => platform);
  if (image !== undefined) return image;
  throw platformNotFound(name, only, shape.images);
}

/** @param there what is there instead */
export function platformNotFound(
  image: string,
  wanted: Platform,
  there: readonly { readonly platform?: Platform }[],
): DeployerError {
  const platforms = there.flatMap(({ platform }) =>
    platform === undefined ? [] : [formatPlatform(platform)],
  );
  return new DeployerError('platform_not_found', `${image} holds nothing for ${formatPlatform(wanted)}`, {
    evidence: [`platforms there: ${platforms.join(', ') || 'none named'}`],
    suggestions: platforms.slice(0, 1).map((platform) => `--platform ${platform}`),
  });
}

async function inspectPlatform(content: ImageContent, image: PlatformImage): Promise<InspectedPlatform> {
  const manifest = image.manifest ?? (await readManifest(content, image));
  const layers = (manifest?.layers ?? []).map(({ digest, size, mediaType }) => ({ digest, size, mediaType }));
  const blobs = layers.reduce((sum, { size }) => sum + size, manifest?.config.size ?? 0);
  return {
    ...(image.platform ?? { os: 'unknown', architecture: 'unknown' }),
    digest: image.digest,
    size: image.size + blobs,
    layers,
  };
}

async function predicateTypes(content: ImageContent, attestation: Descriptor): Promise<string[]> {
  const manifest = await readManifest(content, attestation);
  const types = (manifest?.layers ?? []).map(({ annotations }) => annotations?.[PREDICATE_TYPE]);
  return [...new Set(types.filter((type) => type !== undefined))];
}
