import { BlockList, isIP, isIPv4 } from 'node:net';

type Subnet = readonly [network: string, prefix: number];

/** Networks of both families. Node's list of them takes 3 ms to make, so it waits for the first address. */
class Networks {
  readonly #ipv4: readonly Subnet[];
  readonly #ipv6: readonly Subnet[];
  #list: BlockList | undefined;

  constructor(ipv4: readonly Subnet[], ipv6: readonly Subnet[]) {
    this.#ipv4 = ipv4;
    this.#ipv6 = ipv6;
  }

  contain(address: string): boolean {
    const family = isIP(address);
    if (family === 0) return false;
    this.#list ??= blockList(this.#ipv4, this.#ipv6);
    return this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Loopback in IPv4 and IPv6. */
const LOOPBACK = new Networks([['127.0.0.0', 8]], [['::1', 128]]);

/** What is no place for a public server: IANA's special-purpose registries (RFC 6890), and multicast. */
const PRIVATE = new Networks(
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
  if (isIPv4(host)) return host.startsWith('127.');
  return host === 'localhost' || host.endsWith('.localhost') || LOOPBACK.contain(host);
}

/** Loopback, private, link-local, shared, multicast or unspecified: no place for a public server. */
export function isPrivateAddress(address: string): boolean {
  return PRIVATE.contain(address);
}

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
