import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { DeployerError } from '../lib/errors.js';
import { isLoopbackHost, isPrivateAddress } from './loopback.js';

/** As `lookup` of node:dns, with all addresses of the name. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[] | undefined) => void,
) => void;

export const systemResolve: Resolve = (hostname, options, callback) => lookup(hostname, options, callback);

/**
 * Guards against an address that a stranger named on the user's own network (metadata services, routers).
 * @throws DeployerError `insecure_refused` for loopback names and private addresses; names wait for `publicLookup`
 */
export function checkPublicHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isLoopbackHost(host) || isPrivateAddress(host)) throw refused(host);
}

/** The lookup of a connection: judges the very addresses that are connected to, so that DNS can't change its mind. */
export function publicLookup(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      const addresses = found ?? [];
      const [first] = addresses;
      if (error !== null || first === undefined) return callback(error, '', 0);
      const closed = addresses.find(({ address }) => isPrivateAddress(address));
      if (closed !== undefined) callback(refused(hostname, closed.address), '', 0);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** As `checkPublicHost`, by what the name resolves to here; one that does not resolve passes. */
export async function checkPublicName(url: URL, resolve: Resolve): Promise<void> {
  if (await isPrivateHost(url.hostname, resolve)) throw refused(url.hostname);
}

/** Whether this host is on a private network; a name that does not resolve is not. */
export async function isPrivateHost(hostname: string, resolve: Resolve): Promise<boolean> {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isLoopbackHost(host)) return true;
  if (isIP(host) !== 0) return isPrivateAddress(host);
  const addresses = await new Promise<readonly LookupAddress[]>((settle) => {
    resolve(host, { all: true }, (error, found) => settle(error === null ? (found ?? []) : []));
  });
  return addresses.some(({ address }) => isPrivateAddress(address));
}

function refused(host: string, address?: string): DeployerError {
  return new DeployerError('insecure_refused', `${host} is on a private network`, {
    ...(address === undefined ? {} : { evidence: [`${host} resolves to ${address}`] }),
    suggestions: ['check the host name; nothing was sent there'],
  });
}
