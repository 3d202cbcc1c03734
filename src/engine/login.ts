import { isLoopbackHost } from '../lib/loopback.js';

/** What a registry knows a user by. `source` says where that was found. */
export type RegistryLogin = { readonly source: string } & (
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string; readonly username?: string }
  | { readonly kind: 'registry-token'; readonly token: string }
);

/** Looks up who a registry is to be asked as; undefined means: anonymous. */
export type FindLogin = (host: string) => Promise<RegistryLogin | undefined>;

/** Whose logins were looked up, and what was found. */
export type AskedLogins = ReadonlyMap<string, RegistryLogin | undefined>;

/** As `find`, and keeps what it was asked for. */
export function keepingAsked(find: FindLogin): { readonly find: FindLogin; readonly asked: AskedLogins } {
  const asked = new Map<string, RegistryLogin | undefined>();
  return {
    asked,
    find: async (host) => {
      const login = await find(host);
      asked.set(host, login);
      return login;
    },
  };
}

/** As docker hands it to an engine (its AuthConfig); of nobody it is empty. */
export function authConfigOf(login: RegistryLogin | undefined, serveraddress: string): object {
  switch (login?.kind) {
    case undefined:
      return {};
    case 'password':
      return { username: login.username, password: login.password, serveraddress };
    case 'identity-token':
      return { identitytoken: login.token, serveraddress };
    case 'registry-token':
      return { registrytoken: login.token, serveraddress };
  }
}

/**
 * For the headers X-Registry-Auth and X-Registry-Config: JSON in RFC 4648 base64url, with its padding. Without, docker
 * takes a login of two lengths in three for none, and Podman refuses the request.
 */
export function encodeLogins(value: object): string {
  const text = Buffer.from(JSON.stringify(value)).toString('base64');
  return text.replaceAll('+', '-').replaceAll('/', '_');
}

/**
 * Podman takes a registry on loopback for one without TLS only when it is told so; docker does by itself, and does
 * not know the parameter.
 */
export function plainHttpTo(domains: readonly string[]): { readonly tlsVerify?: 'false' } {
  const isLoopback = domains.every((domain) => isLoopbackHost(domain.replace(/:\d+$/, '')));
  return isLoopback && domains.length > 0 ? { tlsVerify: 'false' } : {};
}
