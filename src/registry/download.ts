import type { HttpResponse } from '../http/client.js';
import { DeployerError } from '../lib/errors.js';
import { ContentCheck, type Hashing } from '../oci/content-check.js';
import type { Descriptor } from '../oci/descriptor.js';
import { readAnswer, ERROR_BODY_LIMIT } from './answer.js';
import { refusalOf } from './refusal.js';
import { WORTHWHILE, type RegistryRequests, type RepositoryAccess } from './requests.js';

export interface DownloadOptions {
  /** The first byte that is wanted; 0. */
  readonly start?: number;
  /** `here` unless told. */
  readonly hashing?: Hashing;
  readonly signal?: AbortSignal;
}

/**
 * A blob's bytes from `start` to its end. When the connection breaks the rest is asked for, not the whole. Hashed here,
 * and read from 0, its last piece comes only when the digest is right.
 * @throws DeployerError `digest_mismatch`, what `refusalOf` finds, what `HttpClient` throws
 */
export async function* downloadBlob(
  requests: RegistryRequests,
  access: RepositoryAccess,
  blob: Descriptor,
  { start = 0, hashing = 'here', signal }: DownloadOptions = {},
): AsyncGenerator<Buffer> {
  const check = new ContentCheck(blob, { start, hashing }, mismatchOf(access, blob));
  for (let attempt = 1; !check.complete; attempt += 1) {
    const before = check.position;
    try {
      yield* remaining(requests, access, blob, check, signal);
    } catch (error) {
      if (check.position - before >= WORTHWHILE) attempt = 1;
      await requests.pauseAfterBreak(error, attempt, signal, ` (at byte ${check.position} of ${blob.size})`);
    }
  }
}

async function* remaining(
  requests: RegistryRequests,
  access: RepositoryAccess,
  blob: Descriptor,
  check: ContentCheck,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const { position } = check;
  const { response, ...sent } = await requests.send(access, {
    method: 'GET',
    target: `blobs/${blob.digest}`,
    // A blob's bytes are what its digest covers: no coding on the way, and none that would move a range.
    headers: { 'accept-encoding': 'identity', ...(position > 0 ? { range: `bytes=${position}-` } : {}) },
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.status !== 200 && response.status !== 206) {
    const answer = await readAnswer(response, { method: 'GET', accept: [], ...sent }, ERROR_BODY_LIMIT);
    throw refusalOf(answer, { domain: access.domain, path: access.path, digest: blob.digest });
  }
  let passed = firstByteOf(response, position);
  const announced = response.headers['content-length'];
  // It will come whole, and is not what was asked for: to ask again changes nothing.
  if (announced !== undefined && passed + Number(announced) !== blob.size) {
    await response.start(0);
    throw mismatchOf(
      access,
      blob,
    )(`it has ${passed + Number(announced)} bytes, not the ${blob.size} of its descriptor`);
  }
  for await (const chunk of response.chunks()) {
    // A server that knows no ranges sends all of it again.
    const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, position - passed)));
    passed += chunk.length;
    if (fresh.length > 0) yield check.take(fresh);
  }
  if (!check.complete) throw tooShort(access, blob, check.position);
}

/** Where the answer's body begins in the blob: RFC 9110, 14.4 for a part. */
function firstByteOf({ status, headers, url }: HttpResponse, asked: number): number {
  if (status === 200) return 0;
  const range = headers['content-range'] ?? '';
  if (Number(/^bytes (\d{1,16})-/.exec(range)?.[1]) === asked) return asked;
  throw new DeployerError('digest_mismatch', `${url.host} answered with another part than was asked for`, {
    evidence: [`asked for bytes ${asked}-, got Content-Range: ${range.slice(0, 60)}`],
    suggestions: ['a caching proxy may confuse parts: ask the registry directly (NO_PROXY)'],
  });
}

function mismatchOf({ domain, path }: RepositoryAccess, blob: Descriptor) {
  return (evidence: string): DeployerError =>
    new DeployerError(
      'digest_mismatch',
      `what ${domain} sent for the blob ${blob.digest} of ${path} is not what its digest says`,
      {
        evidence: [evidence],
        suggestions: [
          'do not use this image: something between here and the registry changes or confuses content',
        ],
      },
    );
}

function tooShort({ domain }: RepositoryAccess, blob: Descriptor, position: number): DeployerError {
  return new DeployerError('connection_lost', `${domain} stopped before a blob's end`, {
    evidence: [`${blob.digest}: ${position} of ${blob.size} bytes`],
    suggestions: ['try again; if it stays, the registry has lost a part of this blob'],
  });
}
