import { isLoopbackHost } from '../../lib/loopback.js';
import { DeployerError } from '../../lib/errors.js';
import { shownInput } from '../../lib/redact.js';
import { parseReference } from '../../oci/reference.js';
import type { OwnRepository } from '../target.js';

type Env = Readonly<Record<string, string | undefined>>;

const FLY_REGISTRY = 'registry.fly.io';

/** What mends it where the API's own registry is not known. */
export const SAY_WHERE = 'say where the registry of this API is: FLY_REGISTRY_HOST=HOST[:PORT]';

/**
 * The registry that an API's machines pull from without credentials of their own: FLY_REGISTRY_HOST, as flyctl reads
 * it, else Fly's. An API on loopback is not Fly's: where its registry is has to be said.
 * @param apiUrl undefined where only registries are dealt with
 * @throws DeployerError `usage` when FLY_REGISTRY_HOST is no HOST[:PORT]
 */
export function flyRegistryHost(env: Env, apiUrl?: string): string | undefined {
  const named = env['FLY_REGISTRY_HOST'];
  if (named) return validHost(named);
  return apiUrl !== undefined && isLoopbackHost(new URL(apiUrl).hostname) ? undefined : FLY_REGISTRY;
}

function validHost(named: string): string {
  try {
    const { domain, path, tag } = parseReference(`${named}/app`);
    if (domain === named && path === 'app' && tag === undefined) return named;
  } catch (error) {
    if (!(error instanceof DeployerError)) throw error;
  }
  throw new DeployerError('usage', `FLY_REGISTRY_HOST: "${shownInput(named, 80)}" is no HOST[:PORT]`, {
    suggestions: ['check FLY_REGISTRY_HOST: HOST[:PORT], for example registry.fly.io or 127.0.0.1:5001'],
  });
}

/** Each app has one repository there, of its name. */
export function flyRepository(host: string | undefined, app: string): OwnRepository {
  if (host === undefined) return { missing: SAY_WHERE };
  try {
    const { domain, path, tag, digest } = parseReference(`${host}/${app}`);
    if (domain === host && path === app && tag === undefined && digest === undefined) return { domain, path };
  } catch (error) {
    if (!(error instanceof DeployerError)) throw error;
  }
  return {
    missing: `check the app's name: an image can't be called ${host}/${app}`,
  };
}
