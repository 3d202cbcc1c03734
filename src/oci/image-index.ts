import type { Descriptor, Platform } from './descriptor.js';
import { isDigest, type Digest } from './digest.js';
import type { ImageIndex } from './manifest.js';
import { isIndexType, isManifestType, MEDIA_TYPE } from './media-types.js';
import { formatPlatform, normalisePlatform } from './platform.js';

/** BuildKit's annotations on an attestation's descriptor (buildkit docs, attestation-storage.md). */
const ATTESTATION_TYPE = 'vnd.docker.reference.type';
const ATTESTATION_SUBJECT = 'vnd.docker.reference.digest';

/** What an index's children are, by moby's rule. */
export interface IndexContent {
  /** Can be run, or may be: a platform that is not named is read from the config. */
  readonly images: readonly Descriptor[];
  readonly attestations: readonly { readonly descriptor: Descriptor; readonly subject?: Digest }[];
  /** Indexes inside the index. */
  readonly nested: readonly Descriptor[];
  /** `unknown/unknown` without an attestation's annotation, artifacts, and what is no manifest: nothing to run. */
  readonly other: readonly Descriptor[];
}

/**
 * Sorts an index's children: an attestation by its annotation or its artifact type (BuildKit before and since
 * 0.32), an index by its media type, `unknown/unknown` as nothing to run, all else as an image.
 */
export function readIndex(index: ImageIndex): IndexContent {
  const images: Descriptor[] = [];
  const attestations: { descriptor: Descriptor; subject?: Digest }[] = [];
  const nested: Descriptor[] = [];
  const other: Descriptor[] = [];
  for (const child of index.manifests) {
    if (isAttestation(child)) {
      const subject = child.annotations?.[ATTESTATION_SUBJECT];
      attestations.push(isDigest(subject) ? { descriptor: child, subject } : { descriptor: child });
    } else if (isIndexType(child.mediaType)) nested.push(child);
    else if (!isManifestType(child.mediaType) || isArtifact(child) || isUnknown(child.platform))
      other.push(child);
    else images.push(child);
  }
  return { images, attestations, nested, other };
}

/** The distinct platforms named, in the index's order. */
export function platformsOf(descriptors: readonly Descriptor[]): Platform[] {
  const seen = new Map<string, Platform>();
  for (const { platform } of descriptors) {
    if (platform === undefined) continue;
    const normal = normalisePlatform(platform);
    if (!seen.has(formatPlatform(normal))) seen.set(formatPlatform(normal), normal);
  }
  return [...seen.values()];
}

function isAttestation(child: Descriptor): boolean {
  return (
    child.annotations?.[ATTESTATION_TYPE] === 'attestation-manifest' ||
    child.artifactType === 'application/vnd.docker.attestation.manifest.v1+json'
  );
}

/** Of an image, a tool may write the config's media type there (distribution-spec, "Listing Referrers"). */
function isArtifact({ artifactType }: Descriptor): boolean {
  return !['', MEDIA_TYPE.ociConfig, MEDIA_TYPE.dockerConfig].includes(artifactType ?? '');
}

function isUnknown(platform: Platform | undefined): boolean {
  return platform?.os === 'unknown' && platform.architecture === 'unknown';
}
