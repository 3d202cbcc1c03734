import { isIP } from 'node:net';

/** `localhost`, `*.localhost`, 127.0.0.0/8 or ::1; brackets allowed. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) !== 0 && isLoopbackAddress(host);
}

function isLoopbackAddress(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}

/** Loopback, private (RFC 1918, RFC 4193), link-local, shared or unspecified: no place for a public server. */
export function isPrivateAddress(address: string): boolean {
  const host = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (isIP(host) === 6)
    return host === '::' || isLoopbackAddress(host) || /^f[cd]|^fe[89ab]|^::ffff:/.test(host);
  const [a, b] = host.split('.').map(Number) as [number, number];
  return (
    a === 0 ||
    a === 10 ||
    a === 127 ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b <= 31) ||
    (a === 192 && b === 168) ||
    (a === 100 && b >= 64 && b <= 127)
  );
}
