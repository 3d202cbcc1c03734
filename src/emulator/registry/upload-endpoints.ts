import { isDigest, type Digest } from '../../oci/digest.js';
import type { BlobStore } from './blob-store.js';
import { parseContentRange } from './byte-range.js';
import { methodNotAllowed, type Exchange, type Reply } from './exchange.js';
import { isRepositoryName, type RepositoryName } from './names.js';
import { ProtocolError } from './protocol-error.js';
import { parseDigest } from './routes.js';
import { receivedRange, type Chunk, type UploadSessions } from './upload-sessions.js';

/** `/v2/NAME/blobs/uploads/`: begins an upload, or spares it by a mount or a single request. */
export async function answerUploads(
  stores: { readonly blobs: BlobStore; readonly uploads: UploadSessions },
  { name }: { readonly name: RepositoryName },
  exchange: Exchange,
): Promise<Reply> {
  if (exchange.method !== 'POST') throw methodNotAllowed('POST');
  const { blobs, uploads } = stores;
  const mount = exchange.query.get('mount');
  if (isDigest(mount) && (await isMountable(blobs, mount, exchange.query.get('from')))) {
    await blobs.link(name, mount);
    return blobCreated(name, mount);
  }
  const digest = exchange.query.get('digest');
  if (digest !== null) {
    const valid = parseDigest(digest);
    await uploads.put(name, valid, chunkOf(exchange));
    return blobCreated(name, valid);
  }
  return uploadReply(202, name, await uploads.start(name), 0);
}

/** `/v2/NAME/blobs/uploads/ID` */
export async function answerUpload(
  uploads: UploadSessions,
  { name, id }: { readonly name: RepositoryName; readonly id: string },
  exchange: Exchange,
): Promise<Reply> {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return uploadReply(204, name, id, await uploads.received(name, id));
    case 'PATCH':
      return uploadReply(202, name, id, await uploads.append(name, id, chunkOf(exchange)));
    case 'PUT': {
      const digest = parseDigest(exchange.query.get('digest'));
      await uploads.finish(name, id, digest, chunkOf(exchange));
      return blobCreated(name, digest);
    }
    case 'DELETE':
      await uploads.cancel(name, id);
      return { status: 204 };
    default:
      throw methodNotAllowed('GET, HEAD, PATCH, PUT, DELETE');
  }
}

/** Without `from`, any content that is here will do (distribution-spec, "Mounting a blob"). */
async function isMountable(blobs: BlobStore, digest: Digest, from: string | null): Promise<boolean> {
  if (from === null) return blobs.hasContent(digest);
  return isRepositoryName(from) && (await blobs.has(from, digest)) && blobs.hasContent(digest);
}

function chunkOf({ headers, body }: Exchange): Chunk {
  const contentRange = headers['content-range'];
  const length = headers['content-length'];
  const range = contentRange === undefined ? undefined : parseContentRange(contentRange);
  if (contentRange !== undefined && range === undefined) {
    throw new ProtocolError('BLOB_UPLOAD_INVALID', 'Content-Range must be FIRST-LAST, as in 0-1023');
  }
  return { body, ...(range ? { range } : {}), ...(length === undefined ? {} : { length: Number(length) }) };
}

function uploadReply(status: number, name: RepositoryName, id: string, received: number): Reply {
  return {
    status,
    headers: {
      Location: `/v2/${name}/blobs/uploads/${id}`,
      Range: receivedRange(received),
      'Docker-Upload-UUID': id,
    },
  };
}

function blobCreated(name: RepositoryName, digest: Digest): Reply {
  return {
    status: 201,
    headers: { Location: `/v2/${name}/blobs/${digest}`, 'Docker-Content-Digest': digest },
  };
}
