import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/**
 * The key id that docker-registry knows a key by: the first 240 bits of the SHA-256 of its DER form, in base32,
 * in groups of four (github.com/docker/libtrust, key_manager).
 */
export function libtrustKeyId(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const text = base32(createHash('sha256').update(der).digest().subarray(0, 30));
  return (text.match(/.{4}/g) ?? []).join(':');
}

/** The public key as the JWK that libtrust takes: with its `kid`. */
export function libtrustJwk(key: KeyObject): JsonWebKey {
  return { ...createPublicKey(key).export({ format: 'jwk' }), kid: libtrustKeyId(key) };
}

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => BASE32[Number.parseInt(five, 2)]).join('');
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
