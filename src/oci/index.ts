/** `@deployer/cli/oci`: references, digests, media types, manifests and indexes. Pure; no I/O. */
export {
  formatReference,
  manifestNameOf,
  parseReference,
  repositoryOf,
  type Reference,
} from './reference.js';
export { digestOf, isDigest, type Digest } from './digest.js';
export {
  ACCEPT_ALL,
  ACCEPT_DOCKER,
  MEDIA_TYPE,
  isIndexType,
  isManifestType,
  mediaTypeName,
} from './media-types.js';
export type { Descriptor, Platform } from './descriptor.js';
export { parseManifest, type ImageIndex, type ImageManifest } from './manifest.js';
export { readIndex, platformsOf, type IndexContent } from './image-index.js';
export { choosePlatform, formatPlatform, normalisePlatform, parsePlatform } from './platform.js';
