import type { CredentialSource } from '../../registry/credentials/credential.js';
import { flyRegistryHost } from './registry-host.js';

type Env = Readonly<Record<string, string | undefined>>;

/** The token that opens an API, and where it came from. */
interface ApiToken {
  readonly url: string;
  /** `Bearer ...`, `FlyV1 ...` */
  readonly authorization: string;
  readonly source: string;
}

/** The variables that hold a Fly token, first wins (flyctl's order). */
const TOKEN_VARIABLES = ['FLY_ACCESS_TOKEN', 'FLY_API_TOKEN'] as const;

/**
 * Opens Fly's own registry with the token that opens its API: user `x`, password the token, as flyctl does. What a
 * CI job has is a token in the environment and no docker login.
 * @param api of a deploy: its token opens the registry of this very API
 */
export function flyRegistryCredentials(env: Env, api?: ApiToken): CredentialSource {
  return {
    find(host) {
      const variable = TOKEN_VARIABLES.find((name) => env[name]);
      if (api !== undefined && host === flyRegistryHost(env, api.url))
        return Promise.resolve(credentialOf(api.authorization, api.source));
      if (host !== flyRegistryHost(env) || variable === undefined) return Promise.resolve(undefined);
      return Promise.resolve(credentialOf(env[variable] as string, variable));
    },
  };
}

function credentialOf(token: string, source: string) {
  // The scheme is HTTP's: here the token alone is the password.
  const password = token.trim().replace(/^(?:FlyV1|Bearer)\s+/i, '');
  return { kind: 'password', username: 'x', password, source } as const;
}
