import { randomBytes, randomInt } from 'node:crypto';

// Crockford's base 32, as the ULID specification has it: no I, L, O, U.
const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID: 26 characters that sort by time. Versions and events of machines, and requests, are named so. */
export function newUlid(nowMs: number): string {
  let time = nowMs;
  let head = '';
  for (let i = 0; i < 10; i += 1) {
    head = `${BASE32[time % 32]}${head}`;
    time = Math.floor(time / 32);
  }
  return head + Array.from({ length: 16 }, () => BASE32[randomInt(32)]).join('');
}

/** 14 hexadecimal digits, as Fly's machines have. */
export function newMachineId(): string {
  return randomBytes(7).toString('hex');
}

/** What a lease's holder proves itself with: 12 hexadecimal digits. */
export function newNonce(): string {
  return randomBytes(6).toString('hex');
}

/** An address in Fly's private range. Nothing listens there: the emulator has no private network. */
export function newPrivateIp(): string {
  const word = (): string =>
    randomBytes(2)
      .toString('hex')
      .replace(/^0+(?=.)/, '');
  return `fdaa:0:${word()}:a7b:${word()}:${word()}:${word()}:2`;
}

/** An address that no host has: of the ranges set aside for documentation (RFC 5737, RFC 3849). */
export function newPublicIp(family: 4 | 6): string {
  if (family === 4) return `203.0.113.${randomInt(1, 255)}`;
  const words = randomBytes(8).toString('hex').match(/.{4}/g) ?? [];
  return `2001:db8::${words.map((word) => word.replace(/^0+(?=.)/, '')).join(':')}`;
}

const ADJECTIVES = [
  'autumn',
  'bold',
  'crimson',
  'damp',
  'frosty',
  'hidden',
  'lively',
  'quiet',
  'silent',
  'wild',
];
const NOUNS = ['bird', 'breeze', 'cloud', 'field', 'leaf', 'moon', 'river', 'shadow', 'star', 'waterfall'];

/** `quiet-river-4711`, for a machine that was given no name. */
export function newMachineName(): string {
  const pick = (words: readonly string[]): string => words[randomInt(words.length)] as string;
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}-${randomInt(1000, 10_000)}`;
}
