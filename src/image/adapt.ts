import type { Descriptor, Platform } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { choosePlatform, formatPlatform } from '../oci/platform.js';
import { isRegistryOf, type Capabilities } from './capabilities.js';
import { isImageConfig } from './config-platform.js';
import type { ImageShape, PlatformImage } from './shape.js';

/**
 * What must happen to an image before a target can run it. Each is the least that does; `refuse` means that nothing
 * short of another image will.
 */
export type Adaptation =
  | {
      readonly action: 'none' | 'pin' | 'convert' | 'rebuild';
      /** Of what is handed over, as far as it is known: a conversion gives it another. */
      readonly digest: Digest;
      readonly platform?: Platform;
      /** The manifest that will run, whether by itself or through an index. */
      readonly image: Digest;
      /** Why the target can't pull it from where it lies, when it can't. */
      readonly copy?: string;
      readonly reason: string;
    }
  | { readonly action: 'refuse'; readonly why: 'platform' | 'form'; readonly reason: string };

export interface AdaptRequest {
  /** The digest of what was found. */
  readonly digest: Digest;
  /** The registry's host; undefined when it lies in none. */
  readonly domain?: string | undefined;
  /** Its registry gives it only to those who are logged in there; undefined when that is not known. */
  readonly isPrivate?: boolean;
  readonly shape: ImageShape;
  readonly target: string;
  readonly capabilities: Capabilities;
  /** The one that the user asks for, of those that the target runs; else the best that there is. */
  readonly platform?: Platform;
}

/** Decides from a target's capability table and the image's real shape. Pure. */
export function adapt(request: AdaptRequest): Adaptation {
  const { digest, shape, target, capabilities, platform: asked } = request;
  const wanted = asked === undefined ? capabilities.platforms : [asked];
  const images = shape.images.filter(isContainerImage);
  const image = chooseImage(images, wanted);
  if (image === undefined) return refusePlatform(images, target, wanted);
  const copy = whyCopied(request);
  const rest = {
    image: image.digest,
    ...(copy === undefined ? {} : { copy }),
    ...(image.platform === undefined ? {} : { platform: image.platform }),
  };

  const problem = formProblem(image, target, capabilities);
  if (problem !== undefined) return { ...problem, digest: image.digest, ...rest };
  if (shape.kind === 'manifest')
    return { action: 'none', digest, ...rest, reason: `${target} takes a single manifest` };
  const pin = pinReason(request);
  if (pin !== undefined) return { action: 'pin', digest: image.digest, ...rest, reason: pin };
  return { action: 'none', digest, ...rest, reason: `${target} takes indexes` };
}

function chooseImage(
  images: readonly PlatformImage[],
  wanted: readonly Platform[],
): PlatformImage | undefined {
  for (const platform of wanted) {
    const image = choosePlatform(platform, images, (candidate) => candidate.platform);
    if (image !== undefined) return image;
  }
  // Nothing tells the platform of the only image there is: the target will say.
  return images.length === 1 && images[0]?.platform === undefined ? images[0] : undefined;
}

function pinReason({ shape, target, capabilities, platform }: AdaptRequest): string | undefined {
  if (!capabilities.index) return `${target} takes no index: the platform's own manifest is handed over`;
  if (shape.attestations.length > 0 && !capabilities.attestation) {
    return `${target} takes no attestation: the platform's own manifest is handed over`;
  }
  return platform === undefined ? undefined : `${formatPlatform(platform)} was asked for`;
}

function formProblem(
  image: PlatformImage,
  target: string,
  capabilities: Capabilities,
): { action: 'convert' | 'rebuild'; reason: string } | undefined {
  if (!capabilities.zstd && (image.manifest?.layers ?? []).some(isZstd)) {
    return { action: 'rebuild', reason: `${target} can't unpack zstd layers` };
  }
  if (!capabilities.oci && image.mediaType === MEDIA_TYPE.ociManifest) {
    return { action: 'convert', reason: `${target} takes Docker media types only` };
  }
  if (!capabilities.docker && image.mediaType === MEDIA_TYPE.dockerManifest) {
    return { action: 'convert', reason: `${target} takes OCI media types only` };
  }
  return undefined;
}

function isZstd({ mediaType }: Descriptor): boolean {
  return mediaType.endsWith('+zstd');
}

function whyCopied({ domain, isPrivate, target, capabilities }: AdaptRequest): string | undefined {
  const { registries, pull } = capabilities;
  if (domain === undefined) return 'it lies in no registry';
  if (registries !== 'any' && !isRegistryOf(registries, domain))
    return `${target} pulls from its own registries only`;
  if (isPrivate !== true || pull?.elsewhere !== 'anonymous' || isRegistryOf(pull.own, domain))
    return undefined;
  return `it is private in ${domain}, where ${target} is not logged in`;
}

/** moby's rule: not an artifact, which is known by a config of its own kind. */
function isContainerImage({ platform, manifest }: PlatformImage): boolean {
  return platform !== undefined || (manifest !== undefined && isImageConfig(manifest.config.mediaType));
}

function refusePlatform(
  images: readonly PlatformImage[],
  target: string,
  wanted: readonly Platform[],
): Adaptation {
  const there = images.map(({ platform }) => (platform === undefined ? 'unknown' : formatPlatform(platform)));
  if (there.length === 0) {
    return {
      action: 'refuse',
      why: 'form',
      reason: 'it holds no container image, only attestations or artifacts',
    };
  }
  return {
    action: 'refuse',
    why: 'platform',
    reason: `${target} needs ${wanted.map(formatPlatform).join(' or ')}; the image is for ${there.join(', ')}`,
  };
}
