import { BlockList, isIP } from 'node:net';

/**
 * Whether NO_PROXY excepts this URL from its proxy, as Go's httpproxy reads it (docker, crane and flyctl do):
 * entries between commas, each `*` (all), a domain (itself and what is below it), `.domain` or `*.domain` (only what is
 * below it), an address, or a network in CIDR form; domains and addresses with `:port` for that port alone.
 */
export function isExceptedFromProxy(url: URL, noProxy: string): boolean {
  const host = withoutBrackets(url.hostname);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy.split(',').some((entry) => matches(entry.trim().toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [network = '', prefix] = entry.split('/');
  if (prefix !== undefined) return isInNetwork(host, network, prefix);
  const wanted = splitPort(entry);
  if (wanted.port !== undefined && wanted.port !== port) return false;
  if (isIP(wanted.host) !== 0) return isInNetwork(host, wanted.host);
  const domain = wanted.host.replace(/^\*(?=\.)/, '');
  if (domain === '') return false;
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

/** `host:port`, `[::1]:port`, `[::1]`; several colons without brackets are an IPv6 address. */
function splitPort(entry: string): { readonly host: string; readonly port?: string } {
  const [, host, port] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  return host === undefined || port === undefined
    ? { host: withoutBrackets(entry) }
    : { host: withoutBrackets(host), port };
}

/** What is no network matches nothing. */
function isInNetwork(host: string, network: string, prefix?: string): boolean {
  const family = isIP(network);
  const hostFamily = isIP(host);
  const bits = family === 6 ? 128 : 32;
  const length = prefix === undefined ? bits : Number(prefix);
  if (family === 0 || hostFamily === 0 || !(length <= bits) || (prefix ?? '0').trim() === '') return false;
  const list = new BlockList();
  list.addSubnet(network, length, familyName(family));
  return list.check(host, familyName(hostFamily));
}

function familyName(family: number): 'ipv4' | 'ipv6' {
  return family === 6 ? 'ipv6' : 'ipv4';
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
