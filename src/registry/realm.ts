import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import { isLoopbackHost, isPrivateAddress } from '../http/loopback.js';

/** Addresses of a name; a port, so that tests decide what DNS says. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

export const systemLookup: Lookup = async (hostname) => {
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch {
    // Behind a proxy names may not resolve here; the request itself says so if it can't be sent.
    return [];
  }
};

/**
 * A token realm comes from the registry, and credentials are sent there: it must be https (http only where the
 * registry is), carry no credentials, and be no loopback, private or link-local place unless the registry is in one
 * too. Guards against a registry that turns the client on its own network.
 * @throws DeployerError `insecure_refused`
 */
export async function checkRealm(realm: string, registry: URL, resolve: Lookup): Promise<URL> {
  const refuse = (why: string): DeployerError =>
    new DeployerError(
      'insecure_refused',
      `${registry.host} sends its clients to a token server that is not trusted: ${why}`,
      {
        evidence: [`realm="${cleanLine(withoutUserinfo(realm), 120)}"`],
        suggestions: ["check the registry's host name; no credentials were sent"],
      },
    );
  if (!URL.canParse(realm)) throw refuse('it is no URL');
  const url = new URL(realm);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && registry.protocol === 'http:')) {
    throw refuse('it is not https');
  }
  if (url.username !== '' || url.password !== '') throw refuse('it holds credentials of its own');
  if (url.host === registry.host) return url;
  if ((await isPrivateHost(url.hostname, resolve)) && !(await isPrivateHost(registry.hostname, resolve))) {
    throw refuse('it is on a private network, and the registry is not');
  }
  return url;
}

function withoutUserinfo(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//***@');
}

async function isPrivateHost(hostname: string, resolve: Lookup): Promise<boolean> {
  if (isLoopbackHost(hostname)) return true;
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return isPrivateAddress(bare);
  return (await resolve(bare)).some(isPrivateAddress);
}
