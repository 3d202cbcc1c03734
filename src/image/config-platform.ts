import { DeployerError } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { normalisePlatform } from '../oci/platform.js';

/** More than any image's config has. */
export const CONFIG_LIMIT = 8 * 1024 * 1024;

/** Whether a config of this type tells a platform. */
export function isImageConfig(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociConfig || mediaType === MEDIA_TYPE.dockerConfig;
}
