import { isPrivateHost, type Resolve } from '../http/public-network.js';
import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';

/**
 * A token realm comes from the registry, and credentials are sent there: it must be https (http only where the
 * registry is), and carry no credentials of its own.
 * @throws DeployerError `insecure_refused`
 */
export function checkRealm(realm: string, registry: URL): URL {
  if (!URL.canParse(realm)) throw refused(realm, registry, 'it is no URL');
  const url = new URL(realm);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && registry.protocol === 'http:')) {
    throw refused(realm, registry, 'it is not https');
  }
  if (url.username !== '' || url.password !== '')
    throw refused(realm, registry, 'it holds credentials of its own');
  return url;
}

/**
 * Asks the token server at a realm that `checkRealm` passed, with private addresses refused (at the very connection,
 * and wherever it redirects to), unless the registry itself is in a private network. Guards against a registry that
 * turns the client on its own network.
 * @param ask called again without the restriction when the registry is private too
 * @throws DeployerError `insecure_refused`, and what `ask` throws
 */
export async function askRealm<T>(
  realm: URL,
  registry: URL,
  resolve: Resolve,
  ask: (publicOnly: boolean) => Promise<T>,
): Promise<T> {
  if (realm.host === registry.host) return ask(false);
  try {
    return await ask(true);
  } catch (error) {
    if (!(error instanceof DeployerError) || error.code !== 'insecure_refused') throw error;
    // Looked at only now: most token servers are public, and then it makes no difference.
    if (await isPrivateHost(registry.hostname, resolve)) return ask(false);
    throw refused(
      realm.href,
      registry,
      'it is on a private network, and the registry is not',
      error.evidence,
    );
  }
}

function refused(realm: string, registry: URL, why: string, evidence: readonly string[] = []): DeployerError {
  return new DeployerError(
    'insecure_refused',
    `${registry.host} sends its clients to a token server that is not trusted: ${why}`,
    {
      evidence: [`realm="${cleanLine(withoutUserinfo(realm), 120)}"`, ...evidence],
      suggestions: ["check the registry's host name; no credentials were sent"],
    },
  );
}

function withoutUserinfo(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//***@');
}
