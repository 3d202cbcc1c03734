import { MEDIA_TYPE } from './media-types.js';

/** The two families of media types in which the same image can be written. */
export type ImageForm = 'oci' | 'docker';

/** What is the same in both, by either name. */
const PAIRS: readonly (readonly [oci: string, docker: string])[] = [
  [MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerList],
  [MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest],
  [MEDIA_TYPE.ociConfig, MEDIA_TYPE.dockerConfig],
  [MEDIA_TYPE.ociLayerGzip, MEDIA_TYPE.dockerLayer],
  [MEDIA_TYPE.ociLayer, MEDIA_TYPE.dockerLayerTar],
  [MEDIA_TYPE.ociForeignLayerGzip, MEDIA_TYPE.dockerForeignLayer],
  [MEDIA_TYPE.ociForeignLayer, MEDIA_TYPE.dockerForeignLayerTar],
];

// BuildKit writes zstd with Docker's types too, but no registry or engine of Docker's own ever knew it: one way only.
const TO_OCI = new Map([
  ...PAIRS.map(([oci, docker]) => [docker, oci] as const),
  [MEDIA_TYPE.dockerLayerZstd, MEDIA_TYPE.ociLayerZstd] as const,
]);
const TO_DOCKER = new Map(PAIRS);

/** The name in the other form; undefined when that form has none, or the type is of neither. */
export function mediaTypeIn(form: ImageForm, mediaType: string): string | undefined {
  return form === 'oci' ? TO_OCI.get(mediaType) : TO_DOCKER.get(mediaType);
}

/** The form whose type this is, if it is of one alone. */
export function formOf(mediaType: string): ImageForm | undefined {
  if (TO_OCI.has(mediaType)) return 'docker';
  return TO_DOCKER.has(mediaType) ? 'oci' : undefined;
}
