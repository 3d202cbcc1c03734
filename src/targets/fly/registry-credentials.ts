import type { CredentialSource } from '../../registry/credentials/credential.js';

/** The variables that hold a Fly token, first wins (flyctl's order). */
const TOKEN_VARIABLES = ['FLY_ACCESS_TOKEN', 'FLY_API_TOKEN'] as const;

/**
 * Opens Fly's own registry with the token that opens its API: user `x`, password the token, as flyctl does. What a
 * CI job has is a token in the environment and no docker login.
 */
export function flyRegistryCredentials(env: Readonly<Record<string, string | undefined>>): CredentialSource {
  return {
    find(host) {
      const name = TOKEN_VARIABLES.find((variable) => env[variable]);
      if (host !== 'registry.fly.io' || name === undefined) return Promise.resolve(undefined);
      return Promise.resolve({
        kind: 'password',
        username: 'x',
        password: env[name] as string,
        source: name,
      });
    },
  };
}
