import { isLoopbackHost } from '../../lib/loopback.js';
import { DeployerError } from '../../lib/errors.js';
import { parseReference } from '../../oci/reference.js';
import type { OwnRepository } from '../target.js';

type Env = Readonly<Record<string, string | undefined>>;

const FLY_REGISTRY = 'registry.fly.io';

/**
 * The registry that an API's machines pull from without credentials of their own: FLY_REGISTRY_HOST, as flyctl reads
 * it, else Fly's. An API on loopback is not Fly's: where its registry is has to be said.
 * @param apiUrl undefined where only registries are dealt with
 */
export function flyRegistryHost(env: Env, apiUrl?: string): string | undefined {
  const named = env['FLY_REGISTRY_HOST'];
  if (named) return named;
  return apiUrl !== undefined && isLoopbackHost(new URL(apiUrl).hostname) ? undefined : FLY_REGISTRY;
}

/** Each app has one repository there, of its name. */
export function flyRepository(host: string | undefined, app: string): OwnRepository {
  if (host === undefined)
    return { missing: 'say where the registry of this API is: FLY_REGISTRY_HOST=HOST[:PORT]' };
  try {
    const { domain, path, tag, digest } = parseReference(`${host}/${app}`);
    if (domain === host && path === app && tag === undefined && digest === undefined) return { domain, path };
  } catch (error) {
    if (!(error instanceof DeployerError)) throw error;
  }
  return {
    missing: `check FLY_REGISTRY_HOST (HOST[:PORT]) and the app's name: an image can't be called ${host}/${app}`,
  };
}
