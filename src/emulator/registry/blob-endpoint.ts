import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.js';
import type { BlobStore } from './blob-store.js';
import { parseRange } from './byte-range.js';
import { isUnchanged, methodNotAllowed, type Exchange, type Reply } from './exchange.js';
import type { RepositoryName } from './names.js';
import { ProtocolError } from './protocol-error.js';

/** `/v2/NAME/blobs/DIGEST` */
export async function answerBlob(
  blobs: BlobStore,
  { name, digest }: { readonly name: RepositoryName; readonly digest: Digest },
  exchange: Exchange,
): Promise<Reply> {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return getBlob(blobs, name, digest, exchange);
    case 'DELETE':
      if (!(await blobs.unlink(name, digest))) throw blobUnknown(digest);
      return { status: 202 };
    default:
      throw methodNotAllowed('GET, HEAD, DELETE');
  }
}

async function getBlob(
  blobs: BlobStore,
  name: RepositoryName,
  digest: Digest,
  exchange: Exchange,
): Promise<Reply> {
  const file = await blobs.open(name, digest);
  if (file === undefined) throw blobUnknown(digest);
  try {
    const { size } = await file.stat();
    const reply = contentReply(file, size, digest, exchange);
    if (typeof reply.body !== 'object') await file.close();
    return reply;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The reply's stream, where there is one, closes the file. */
function contentReply(file: FileHandle, size: number, digest: Digest, { method, headers }: Exchange): Reply {
  const common = {
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'max-age=31536000',
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
  };
  if (isUnchanged(headers, digest)) return { status: 304, headers: common };
  const isSame = headers['if-range'] === undefined || headers['if-range'] === common.ETag;
  const range = parseRange(isSame ? headers.range : undefined, size);
  if (range === 'unsatisfiable') {
    throw new ProtocolError('UNSUPPORTED', 'range not satisfiable', {
      status: 416,
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
  const isWhole = range === 'whole';
  const { start, end } = isWhole ? { start: 0, end: size - 1 } : range;
  return {
    status: isWhole ? 200 : 206,
    headers: {
      ...common,
      'Content-Type': 'application/octet-stream',
      'Content-Length': end - start + 1,
      ...(isWhole ? {} : { 'Content-Range': `bytes ${start}-${end}/${size}` }),
    },
    // A stream of nothing can't be asked for: its last byte would be before its first.
    ...(method === 'HEAD' || size === 0 ? {} : { body: file.createReadStream({ start, end }) }),
  };
}

function blobUnknown(digest: Digest): ProtocolError {
  return new ProtocolError('BLOB_UNKNOWN', 'blob unknown to registry', { detail: digest });
}
