import { isFor } from '../engine/build/built-platform.js';
import type { BuildOutput } from '../engine/build/query.js';
import { OWN_NAME } from '../engine/push.js';
import type { Inspection } from '../image/inspect.js';
import type { StoredManifest } from '../image/stored-manifest.js';
import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Platform } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { MEDIA_TYPE, mediaTypeName } from '../oci/media-types.js';
import { formatPlatform, samePlatform } from '../oci/platform.js';
import { formatReference, type Reference } from '../oci/reference.js';

/** What a build was to make. */
export interface PromisedImage {
  readonly output: BuildOutput;
  /** None: the engine's own, or what the Dockerfile says (FROM --platform). */
  readonly platforms: readonly Platform[];
}

/**
 * What of an image in a registry is not as its build promised: its media type, a platform that is lacking or was not
 * asked for, an attestation too few or too many. Empty when all is as promised.
 */
export function differencesFrom(
  { output, platforms }: PromisedImage,
  image: Pick<Inspection, 'mediaType' | 'platforms' | 'attestations'>,
): string[] {
  const isAttested = output.store === 'containerd' && output.provenance !== 'off';
  const mediaType = promisedMediaType(output, isAttested || platforms.length > 1);
  const there = image.platforms;
  const asked = platforms.length > 1 ? platforms : [];
  const [one] = platforms.length === 1 ? platforms : [];
  const lacking = asked.filter((wanted) => !there.some((found) => samePlatform(found, wanted)));
  const more = there.filter((found) => !asked.some((wanted) => samePlatform(found, wanted)));
  const attested = new Set(image.attestations.map(({ subject }) => subject));
  const unattested = there.filter(({ digest }) => !attested.has(digest));
  return [
    ...(image.mediaType === mediaType
      ? []
      : [`it is ${mediaTypeName(image.mediaType)}, not ${mediaTypeName(mediaType)}`]),
    ...(one === undefined ? [] : there.filter((found) => !isFor(one, found))).map(
      (platform) => `it is for ${formatPlatform(platform)}, not for ${formatPlatform(one as Platform)}`,
    ),
    ...lacking.map((platform) => `it has nothing for ${formatPlatform(platform)}`),
    ...(asked.length === 0 ? [] : more).map(
      (platform) => `it has ${formatPlatform(platform)}, which was not asked for`,
    ),
    ...(isAttested ? unattested : []).map(
      (platform) => `${formatPlatform(platform)} has no attestation of where it comes from`,
    ),
    ...(isAttested || image.attestations.length === 0 ? [] : ['it has an attestation']),
  ];
}

function promisedMediaType(output: BuildOutput, isIndex: boolean): string {
  const isOci = output.store === 'containerd' && output.mediaTypes === 'oci';
  if (isOci) return isIndex ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest;
  return isIndex ? MEDIA_TYPE.dockerList : MEDIA_TYPE.dockerManifest;
}

type Stored = Pick<StoredManifest, 'digest' | 'content'>;

/**
 * Whether what lies in a registry is the image that an engine has under this id: the digest of what it stored (the
 * containerd store) or of the image's config, which a push from any other store keeps.
 */
export function isStoredAs(id: string, stored: Stored): boolean {
  return id === stored.digest || id === configOf(stored);
}

function configOf({ content }: Stored): Digest | undefined {
  return content.kind === 'manifest' ? content.config.digest : undefined;
}

/** An engine pushes by name alone, and another image can get the name. */
export function otherThanBuilt(reference: Reference, id: string, stored: Stored): DeployerError {
  const name = formatReference(reference);
  const config = configOf(stored);
  return new DeployerError(
    'push_failed',
    `${name} is not what was built: the engine pushed another image that had this name`,
    {
      evidence: [
        `built: ${cleanLine(id, 100)}`,
        `pushed: ${stored.digest}${config === undefined ? '' : `, with the config ${config}`}`,
      ],
      suggestions: [
        'build again when no other build on this engine has the name (a deploy: with --build always, since the other image is found there now)',
        OWN_NAME,
      ],
    },
  );
}

/** @param differences as `differencesFrom` tells them */
export function notAsPromised(
  reference: Reference,
  digest: Digest,
  differences: readonly string[],
): DeployerError {
  const name = formatReference(reference);
  return new DeployerError('push_failed', `${name} is not what was to be built: ${differences.join('; ')}`, {
    evidence: [`pushed: ${digest}`],
    suggestions: [`see what it is: deployer image inspect ${name}`],
  });
}
