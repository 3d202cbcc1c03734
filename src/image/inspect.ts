import type { Descriptor, Platform } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { choosePlatform, formatPlatform } from '../oci/platform.js';
import { formatReference } from '../oci/reference.js';
import { DeployerError } from '../lib/errors.js';
import { mapInParallel } from '../lib/in-parallel.js';
import type { FoundImage } from './search.js';
import type { ImageShape, PlatformImage, ShapeReader } from './shape.js';

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
  found: FoundImage,
  reader: ShapeReader,
  options: { readonly only?: Platform; readonly signal?: AbortSignal } = {},
): Promise<Inspection> {
  const { reference, stored } = found;
  const { signal } = options;
  const shape = await reader.read(found, signal);
  const images = options.only === undefined ? shape.images : [onlyPlatform(shape, options.only, found)];
  const digests = new Set(images.map(({ digest }) => digest));
  const attestations = shape.attestations.filter(
    ({ subject }) => options.only === undefined || (subject !== undefined && digests.has(subject)),
  );
  const [platforms, inspected] = await Promise.all([
    mapInParallel(images, AT_ONCE, (image) => inspectPlatform(found, image, reader, signal)),
    mapInParallel(attestations, AT_ONCE, async ({ descriptor, subject }) => ({
      digest: descriptor.digest,
      ...(subject === undefined ? {} : { subject }),
      predicateTypes: await predicateTypes(found, descriptor, reader, signal),
    })),
  ]);
  return {
    reference: formatReference(reference),
    digest: stored.digest,
    mediaType: stored.content.mediaType,
    kind: shape.kind,
    size: stored.size,
    platforms,
    attestations: inspected,
    annotations: stored.content.annotations,
  };
}

function onlyPlatform(shape: ImageShape, only: Platform, { reference }: FoundImage): PlatformImage {
  const image = choosePlatform(only, shape.images, ({ platform }) => platform);
  if (image !== undefined) return image;
  throw platformNotFound(formatReference(reference), only, shape.images);
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

async function inspectPlatform(
  { reference }: FoundImage,
  image: PlatformImage,
  reader: ShapeReader,
  signal: AbortSignal | undefined,
): Promise<InspectedPlatform> {
  const manifest = image.manifest ?? (await reader.manifestOf(reference, image.digest, signal));
  const layers = (manifest?.layers ?? []).map(({ digest, size, mediaType }) => ({ digest, size, mediaType }));
  const content = layers.reduce((sum, { size }) => sum + size, manifest?.config.size ?? 0);
  return {
    ...(image.platform ?? { os: 'unknown', architecture: 'unknown' }),
    digest: image.digest,
    size: image.size + content,
    layers,
  };
}

async function predicateTypes(
  { reference }: FoundImage,
  attestation: Descriptor,
  reader: ShapeReader,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const manifest = await reader.manifestOf(reference, attestation.digest, signal);
  const types = (manifest?.layers ?? []).map(({ annotations }) => annotations?.[PREDICATE_TYPE]);
  return [...new Set(types.filter((type) => type !== undefined))];
}
