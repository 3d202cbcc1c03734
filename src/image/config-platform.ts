import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Platform } from '../oci/descriptor.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { normalisePlatform } from '../oci/platform.js';

/** More than any image's config has. */
export const CONFIG_LIMIT = 8 * 1024 * 1024;

/** Whether a config of this type tells a platform. */
export function isImageConfig(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociConfig || mediaType === MEDIA_TYPE.dockerConfig;
}

/** image-spec, config.md: `os`, `architecture`, `variant` at the top. */
export function readConfigPlatform(bytes: Buffer): Platform | undefined {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new DeployerError('manifest_invalid', "the image's config is not JSON", {
      cause: error,
      suggestions: ['build and push the image again'],
    });
  }
  const { os, architecture, variant } = (value ?? {}) as Record<string, unknown>;
  if (typeof os !== 'string' || typeof architecture !== 'string' || os === '' || architecture === '')
    return undefined;
  return normalisePlatform({
    os: cleanLine(os, 64),
    architecture: cleanLine(architecture, 64),
    ...(typeof variant === 'string' && variant !== '' ? { variant: cleanLine(variant, 64) } : {}),
  });
}
