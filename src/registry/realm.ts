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
 * What the HTTP client refuses at the connection (a token server on a private network, where the registry is not) said
 * of the registry that named it; any other error as it is.
 */
export function realmRefusal(error: unknown, realm: URL, registry: URL): unknown {
  if (!(error instanceof DeployerError) || error.code !== 'insecure_refused') return error;
  const why = 'it is on a private network, and the registry is not';
  return refused(realm.href, registry, why, error.evidence);
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
