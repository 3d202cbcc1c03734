import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { DeployerError } from '../lib/errors.js';
import { isLoopbackHost, isPrivateAddress } from '../lib/loopback.js';

/** As `lookup` of node:dns, with all addresses of the name. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[] | undefined) => void,
) => void;

export const systemResolve: Resolve = (hostname, options, callback) => lookup(hostname, options, callback);

const LOOPBACK: LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/**
 * `resolve`, but `localhost` and `*.localhost` are this machine, whatever DNS would say (RFC 6761, section 6.3): they
 * are spoken to in plain http, with credentials.
 */
export function withOwnLoopback(resolve: Resolve): Resolve {
  return (hostname, options, callback) => {
    if (isLoopbackHost(hostname)) process.nextTick(callback, null, LOOPBACK);
    else resolve(hostname, options, callback);
  };
}

/** How a connection looks a name up. */
export function lookupBy(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      const [first] = found ?? [];
      if (error !== null || first === undefined) callback(error, '', 0);
      else if (options.all === true) callback(null, found ?? []);
      else callback(null, first.address, first.family);
    });
  };
}

/**
 * Guards against an address that a stranger named on the user's own network (metadata services, routers): loopback
 * names and private addresses are refused, unless who named them is on a private network too. Names wait for
 * `guardedLookup`.
 * @throws DeployerError `insecure_refused`
 */
export async function checkHost(url: URL, namedBy: string, resolve: Resolve): Promise<void> {
  const host = withoutBrackets(url.hostname);
  if (!isLoopbackHost(host) && !isPrivateAddress(host)) return;
  if (!(await isPrivateHost(namedBy, resolve))) throw refused(host);
}

/** As `checkHost`, by what the name resolves to here; one that does not resolve passes. */
export async function checkName(url: URL, namedBy: string, resolve: Resolve): Promise<void> {
  if (!(await isPrivateHost(url.hostname, resolve)) || (await isPrivateHost(namedBy, resolve))) return;
  throw refused(url.hostname);
}

/** The lookup of a connection: judges the very addresses that are connected to, so that DNS can't change its mind. */
export function guardedLookup(namedBy: string, resolve: Resolve): LookupFunction {
  return lookupBy((hostname, options, callback) => {
    resolve(hostname, options, (error, found) => {
      const closed = (found ?? []).find(({ address }) => isPrivateAddress(address));
      if (closed === undefined) return callback(error, found);
      // Looked at only now: most such servers are public, and then it makes no difference.
      void isPrivateHost(namedBy, resolve).then((both) => {
        if (both) callback(null, found);
        else callback(refused(hostname, closed.address), undefined);
      });
    });
  });
}

/** Whether this host is on a private network; a name that does not resolve is not. */
async function isPrivateHost(hostname: string, resolve: Resolve): Promise<boolean> {
  const host = withoutBrackets(hostname);
  if (isLoopbackHost(host)) return true;
  if (isIP(host) !== 0) return isPrivateAddress(host);
  const addresses = await new Promise<readonly LookupAddress[]>((settle) => {
    resolve(host, { all: true }, (error, found) => settle(error === null ? (found ?? []) : []));
  });
  return addresses.some(({ address }) => isPrivateAddress(address));
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

function refused(host: string, address?: string): DeployerError {
  return new DeployerError('insecure_refused', `${host} is on a private network`, {
    ...(address === undefined ? {} : { evidence: [`${host} resolves to ${address}`] }),
    suggestions: ['check the host name; nothing was sent there'],
  });
}
