/** Media types of the OCI image specification and of Docker's, by the names the field uses. */
export const MEDIA_TYPE = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociForeignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ociForeignLayerGzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerLayerTar: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  dockerForeignLayerTar: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  inToto: 'application/vnd.in-toto+json',
} as const;

/** All that a manifest request asks with: a registry that holds the image in any form can answer. */
export const ACCEPT_ALL: readonly string[] = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.dockerManifest,
];

/** What `docker_registry2` before 1.14 sent, and so Fly's API in January 2023. */
export const ACCEPT_DOCKER: readonly string[] = [MEDIA_TYPE.dockerManifest, MEDIA_TYPE.dockerList];

const SHORT_NAME: ReadonlyMap<string, string> = new Map([
  [MEDIA_TYPE.ociIndex, 'OCI index'],
  [MEDIA_TYPE.ociManifest, 'OCI manifest'],
  [MEDIA_TYPE.dockerList, 'Docker manifest list'],
  [MEDIA_TYPE.dockerManifest, 'Docker manifest'],
  [MEDIA_TYPE.dockerSchema1, 'Docker schema 1 manifest'],
  [MEDIA_TYPE.dockerSchema1Signed, 'Docker schema 1 manifest (signed)'],
]);

/** `OCI index` for people; an unknown media type as it is. */
export function mediaTypeName(mediaType: string): string {
  return SHORT_NAME.get(mediaType) ?? mediaType;
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociIndex || mediaType === MEDIA_TYPE.dockerList;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest;
}

export function isSchema1Type(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.dockerSchema1 || mediaType === MEDIA_TYPE.dockerSchema1Signed;
}

const FOREIGN_LAYERS: ReadonlySet<string> = new Set([
  MEDIA_TYPE.ociForeignLayer,
  MEDIA_TYPE.ociForeignLayerGzip,
  `${MEDIA_TYPE.ociForeignLayer}+zstd`,
  MEDIA_TYPE.dockerForeignLayer,
  MEDIA_TYPE.dockerForeignLayerTar,
]);

/** A layer that lies elsewhere for licence's sake (Windows' base images): registries do not ask for it. */
export function isForeignLayer(mediaType: string): boolean {
  return FOREIGN_LAYERS.has(mediaType);
}
