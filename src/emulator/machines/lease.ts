import { ApiError } from './api-error.js';

/** An exclusive right to change a machine, until it expires. */
export interface Lease {
  readonly nonce: string;
  /** seconds since the epoch, as on the wire */
  readonly expires_at: number;
  readonly owner: string;
  readonly description: string;
  /** The machine's version when the lease was taken. */
  readonly version: string;
}

export interface LeaseRequest {
  /** The header `fly-machine-lease-nonce`: refresh this lease. */
  readonly nonce?: string;
  /** seconds */
  readonly ttl: number;
  readonly description?: string;
}

/** Who holds a lease: on Fly a token's owner; here there is one token. */
const OWNER = 'emulator@localhost';

/** Seconds that a lease lasts when its request names none. */
export const DEFAULT_TTL = 30;
const LONGEST_TTL = 24 * 3600;

/** The lease, unless it has run out at `nowMs`. */
export function liveLease(lease: Lease | undefined, nowMs: number): Lease | undefined {
  return lease !== undefined && lease.expires_at * 1000 > nowMs ? lease : undefined;
}

/**
 * The lease after a POST: a new one, or the held one with a later end when the request proves to hold it.
 * @param fresh what a new lease would hold
 * @throws ApiError 409 when another holds it; 404 when the lease to refresh has run out; 400 for a bad ttl
 */
export function takeLease(
  machineId: string,
  current: Lease | undefined,
  request: LeaseRequest,
  nowMs: number,
  fresh: Pick<Lease, 'nonce' | 'version'>,
): Lease {
  if (!Number.isInteger(request.ttl) || request.ttl < 1 || request.ttl > LONGEST_TTL) {
    throw new ApiError('invalid_argument', `ttl: must be a whole number of seconds, 1 to ${LONGEST_TTL}`);
  }
  const held = liveLease(current, nowMs);
  // Whole seconds on the wire: rounded up, so that no lease is shorter than was asked for.
  const expires_at = Math.ceil(nowMs / 1000) + request.ttl;
  if (request.nonce !== undefined) {
    if (held === undefined) throw leaseNotFound();
    requireLease(machineId, held, request.nonce, nowMs);
    return { ...held, expires_at, description: request.description ?? held.description };
  }
  if (held !== undefined) throw leaseHeld(machineId, held);
  return { ...fresh, owner: OWNER, expires_at, description: request.description ?? '' };
}

/**
 * Refuses a change to a machine that another holds a lease on.
 * @throws ApiError 409
 */
export function requireLease(
  machineId: string,
  current: Lease | undefined,
  nonce: string | undefined,
  nowMs: number,
): void {
  const held = liveLease(current, nowMs);
  if (held !== undefined && held.nonce !== nonce) throw leaseHeld(machineId, held);
}

/** For a lease that is asked for, refreshed or released, and is not there (any more). */
export function leaseNotFound(): ApiError {
  return new ApiError('not_found', 'lease not found', {
    status: 'error',
    code: 'not_found',
    message: 'lease not found',
  });
}

function leaseHeld(machineId: string, held: Lease): ApiError {
  const until = new Date(held.expires_at * 1000).toISOString().replace('.000', '');
  const message = `machine ID ${machineId} lease currently held by ${held.owner}, expires at ${until}`;
  // The wire's shape for leases is {status, message, code}; `error` is what clients of every other answer read.
  return new ApiError('aborted', message, { status: 'error', code: 'aborted', message, error: message });
}
