import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { whyNotLocal } from '../../loopback.js';
import { ApiError } from '../api-error.js';

const BODY_LIMIT = 1024 * 1024;

/**
 * Refuses a request that does not come from a program of this machine (see `whyNotLocal`).
 * @throws ApiError 403
 */
export function requireLocal(request: IncomingMessage): void {
  const why = whyNotLocal(request.headers);
  if (why !== undefined) throw new ApiError('permission_denied', why);
}

/**
 * Refuses a request without the token, as `Bearer TOKEN` or `FlyV1 TOKEN`.
 * @throws ApiError 401
 */
export function requireToken(request: IncomingMessage, token: string): void {
  const given = /^(?:Bearer|FlyV1) +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined || !isSame(given, token)) {
    throw new ApiError('unauthenticated', 'the token is missing or wrong');
  }
}

/**
 * The JSON body, whole; undefined when there is none.
 * @throws ApiError 400, 413
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Whoever stops half-way must still be able to answer: the connection is not to be destroyed.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > BODY_LIMIT) throw new ApiError('too_large', `the body is larger than ${BODY_LIMIT} bytes`);
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ApiError('invalid_argument', 'the body is not JSON');
  }
}

// Digests have one length: the time says nothing of the token.
function isSame(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
