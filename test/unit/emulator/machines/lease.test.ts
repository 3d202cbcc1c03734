import { expect } from 'chai';
import { ApiError } from '../../../../src/emulator/machines/api-error.js';
import { liveLease, requireLease, takeLease, type Lease } from '../../../../src/emulator/machines/lease.js';

const NOW = 1_800_000_000_500;
const FRESH = { nonce: 'new', version: 'v' };
const take = (current: Lease | undefined, request: { nonce?: string; ttl: number }, now = NOW): Lease =>
  takeLease('m1', current, request, now, FRESH);

describe('a lease', () => {
  it('lasts at least as long as was asked for, in whole seconds', () => {
    const lease = take(undefined, { ttl: 13 });
    expect(lease.expires_at).to.equal(1_800_000_014);
    expect(liveLease(lease, 1_800_000_013_999)).to.equal(lease);
    expect(liveLease(lease, 1_800_000_014_000)).to.equal(undefined);
  });

  it('is refreshed by its holder under the same nonce, and by nobody else', () => {
    const held = take(undefined, { ttl: 13 });
    const refreshed = take(held, { ttl: 13, nonce: held.nonce }, NOW + 10_000);
    expect(refreshed).to.include({ nonce: held.nonce, expires_at: held.expires_at + 10 });
    expect(() => take(held, { ttl: 13, nonce: 'other' })).to.throw(
      ApiError,
      'currently held by emulator@localhost',
    );
    expect(() => take(held, { ttl: 13 })).to.throw(ApiError, 'currently held by emulator@localhost');
  });

  it('that has run out is had by the next, and not refreshed', () => {
    const held = take(undefined, { ttl: 1 });
    const later = NOW + 5000;
    expect(take(held, { ttl: 5 }, later).nonce).to.equal('new');
    expect(() => take(held, { ttl: 5, nonce: held.nonce }, later)).to.throw(ApiError, 'lease not found');
  });

  it('keeps others from a change while it lives', () => {
    const held = take(undefined, { ttl: 10 });
    expect(() => requireLease('m1', held, undefined, NOW)).to.throw(ApiError, /^machine ID m1|aborted/);
    expect(() => requireLease('m1', held, 'other', NOW)).to.throw(ApiError);
    expect(() => requireLease('m1', held, held.nonce, NOW)).to.not.throw();
    expect(() => requireLease('m1', held, undefined, NOW + 60_000)).to.not.throw();
    expect(() => requireLease('m1', undefined, 'left-over', NOW)).to.not.throw();
  });
});
