import { isDigest, type Digest } from '../../oci/digest.js';
import { isRepositoryName, isTag, isUploadId, type RepositoryName, type Tag } from './names.js';
import { ProtocolError } from './protocol-error.js';

/** What a request's path names; all of its parts are validated. */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly name: RepositoryName }
  | { readonly kind: 'manifest'; readonly name: RepositoryName; readonly reference: ManifestReference }
  | { readonly kind: 'blob'; readonly name: RepositoryName; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly name: RepositoryName }
  | { readonly kind: 'upload'; readonly name: RepositoryName; readonly id: string }
  | { readonly kind: 'referrers'; readonly name: RepositoryName; readonly digest: Digest };

export type ManifestReference =
  { readonly tag: Tag; readonly digest?: undefined } | { readonly digest: Digest; readonly tag?: undefined };

/** A name may itself hold `blobs` or `manifests` as a component, so endpoints are told from the path's end. */
const ENDPOINT =
  /^\/v2\/(.+)\/(?:(tags)\/list|(manifests|referrers)\/([^/]+)|blobs\/(?:(uploads)(?:\/([^/]*))?|([^/]+)))$/;

/**
 * Reads the path of a request (without its query).
 * @throws ProtocolError NAME_INVALID, DIGEST_INVALID, MANIFEST_INVALID, BLOB_UPLOAD_UNKNOWN, or 404 UNSUPPORTED for a
 * path that is no endpoint
 */
export function parseRoute(rawPath: string): Route {
  const path = decode(rawPath);
  if (path === '/v2/' || path === '/v2') return { kind: 'base' };
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  const [, name, tags, documents, reference, uploads, id, blob] = ENDPOINT.exec(path) ?? [];
  if (name === undefined) throw new ProtocolError('UNSUPPORTED', 'no such endpoint', { status: 404 });
  if (!isRepositoryName(name)) {
    throw new ProtocolError('NAME_INVALID', 'invalid repository name', { detail: { name } });
  }
  if (tags !== undefined) return { kind: 'tags', name };
  if (documents === 'referrers') return { kind: 'referrers', name, digest: parseDigest(reference) };
  if (documents === 'manifests') return { kind: 'manifest', name, reference: parseReference(reference) };
  if (uploads === undefined) return { kind: 'blob', name, digest: parseDigest(blob) };
  return id === undefined || id === ''
    ? { kind: 'uploads', name }
    : { kind: 'upload', name, id: parseId(id) };
}

/** @throws ProtocolError DIGEST_INVALID */
export function parseDigest(text: string | null | undefined): Digest {
  if (isDigest(text)) return text;
  throw new ProtocolError('DIGEST_INVALID', 'not a sha256 or sha512 digest', {
    detail: { digest: text ?? null },
  });
}

function parseReference(text: string | undefined): ManifestReference {
  if (text?.includes(':')) return { digest: parseDigest(text) };
  if (text !== undefined && isTag(text)) return { tag: text };
  throw new ProtocolError('MANIFEST_INVALID', 'not a tag or digest', { detail: { reference: text ?? null } });
}

function parseId(text: string): string {
  if (isUploadId(text)) return text;
  throw new ProtocolError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new ProtocolError('UNSUPPORTED', 'no such endpoint', { status: 404 });
  }
}
