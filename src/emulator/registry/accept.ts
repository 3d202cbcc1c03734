import { MEDIA_TYPE } from '../../oci/media-types.js';

const REFUSAL: Readonly<Record<string, string>> = {
  [MEDIA_TYPE.ociIndex]: 'OCI index found, but accept header does not support OCI indexes',
  [MEDIA_TYPE.ociManifest]: 'OCI manifest found, but accept header does not support OCI manifests',
};

/**
 * What docker-registry 2.8 says instead of handing out an OCI document whose media type the Accept header does not
 * name; undefined when it would hand it out. Wildcards do not count there, and q-values are not read. (It also
 * rewrites Docker manifests as schema 1 for clients that name no newer type; that is not imitated.)
 */
export function legacyRefusal(mediaType: string, accept: string | undefined): string | undefined {
  const accepted = (accept ?? '').split(',').map((range) => range.split(';', 1)[0]?.trim());
  return accepted.includes(mediaType) ? undefined : REFUSAL[mediaType];
}
