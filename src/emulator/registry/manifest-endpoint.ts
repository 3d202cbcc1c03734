import { MANIFEST_LIMIT } from '../../oci/manifest.js';
import { legacyRefusal } from './accept.js';
import { isUnchanged, methodNotAllowed, readBody, type Exchange, type Reply } from './exchange.js';
import type { ManifestStore } from './manifest-store.js';
import type { RepositoryName } from './names.js';
import { ProtocolError } from './protocol-error.js';
import type { ManifestReference } from './routes.js';

interface Place {
  readonly name: RepositoryName;
  readonly reference: ManifestReference;
}

/** `/v2/NAME/manifests/REFERENCE` */
export async function answerManifest(
  manifests: ManifestStore,
  place: Place,
  exchange: Exchange,
  legacyAccept: boolean,
): Promise<Reply> {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return getManifest(manifests, place, exchange, legacyAccept);
    case 'PUT':
      return putManifest(manifests, place, exchange);
    case 'DELETE':
      return deleteManifest(manifests, place);
    default:
      throw methodNotAllowed('GET, HEAD, PUT, DELETE');
  }
}

async function getManifest(
  manifests: ManifestStore,
  place: Place,
  { headers }: Exchange,
  legacyAccept: boolean,
): Promise<Reply> {
  const manifest = await manifests.get(place.name, place.reference);
  if (manifest === undefined) throw manifestUnknown(place);
  const { digest, mediaType, bytes } = manifest;
  const etag = { 'Docker-Content-Digest': digest, ETag: `"${digest}"` };
  if (isUnchanged(headers, digest)) return { status: 304, headers: etag };
  const refusal = legacyAccept ? legacyRefusal(mediaType, headers.accept) : undefined;
  if (refusal !== undefined) throw new ProtocolError('MANIFEST_UNKNOWN', refusal);
  return {
    status: 200,
    headers: { ...etag, 'Content-Type': mediaType, 'Content-Length': bytes.length },
    body: bytes,
  };
}

async function putManifest(
  manifests: ManifestStore,
  { name, reference }: Place,
  exchange: Exchange,
): Promise<Reply> {
  const bytes = await readBody(
    exchange,
    MANIFEST_LIMIT,
    new ProtocolError('MANIFEST_INVALID', `manifest larger than ${MANIFEST_LIMIT} bytes`, { status: 413 }),
  );
  const contentType = exchange.headers['content-type'];
  const { digest, subject } = await manifests.put(name, reference, bytes, contentType);
  return {
    status: 201,
    headers: {
      Location: `/v2/${name}/manifests/${digest}`,
      'Docker-Content-Digest': digest,
      // Tells the client that it need not keep the referrers tag (distribution-spec, "Pushing Manifests with Subject").
      ...(subject === undefined ? {} : { 'OCI-Subject': subject }),
    },
  };
}

async function deleteManifest(manifests: ManifestStore, place: Place): Promise<Reply> {
  const { name, reference } = place;
  const deleted =
    reference.tag === undefined
      ? await manifests.delete(name, reference.digest)
      : await manifests.deleteTag(name, reference.tag);
  if (!deleted) throw manifestUnknown(place);
  return { status: 202 };
}

/** With the detail that docker-registry gives: it tells a client whether the tag or the digest is not there. */
function manifestUnknown({ name, reference }: Place): ProtocolError {
  const { tag, digest } = reference;
  const detail = tag === undefined ? { Name: name, Revision: digest } : { Tag: tag };
  return new ProtocolError('MANIFEST_UNKNOWN', 'manifest unknown', { detail });
}
