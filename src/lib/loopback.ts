import { BlockList, isIP } from 'node:net';

/** Loopback in IPv4 and IPv6. */
const LOOPBACK = blockList([['127.0.0.0', 8]], [['::1', 128]]);

/** What is no place for a public server: IANA's special-purpose registries (RFC 6890), and multicast. */
const PRIVATE = blockList(
  [
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['224.0.0.0', 3],
  ],
  [
    ['::', 128],
    ['::1', 128],
    ['fc00::', 7],
    ['fe80::', 9],
    ['ff00::', 8],
  ],
);

/** `localhost`, `*.localhost`, 127.0.0.0/8 or ::1, mapped into IPv6 or not; brackets allowed. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return host === 'localhost' || host.endsWith('.localhost') || contains(LOOPBACK, host);
}

/** Loopback, private, link-local, shared, multicast or unspecified: no place for a public server. */
export function isPrivateAddress(address: string): boolean {
  return contains(PRIVATE, address);
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

type Subnet = readonly [network: string, prefix: number];

function blockList(ipv4: readonly Subnet[], ipv6: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ipv6) list.addSubnet(network, prefix, 'ipv6');
  for (const [network, prefix] of ipv4) {
    // A BlockList looks into `::ffff:10.0.0.1` by itself, but not into NAT64 (RFC 6052) and the old `::10.0.0.1`.
    list.addSubnet(network, prefix, 'ipv4');
    for (const around of ['64:ff9b::', '::']) list.addSubnet(`${around}${network}`, 96 + prefix, 'ipv6');
  }
  return list;
}
