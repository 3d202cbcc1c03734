/** What a registry knows a user by. `source` says where it was found, never what it is. */
export type Credential =
  | {
      readonly kind: 'password';
      readonly username: string;
      readonly password: string;
      readonly source: string;
    }
  | {
      readonly kind: 'identity-token';
      readonly token: string;
      /** Whose it is, where that was kept; token servers of before OAuth2 ask for it. */
      readonly username?: string;
      readonly source: string;
    }
  | { readonly kind: 'registry-token'; readonly token: string; readonly source: string };

/** Looks a registry's credentials up; undefined means: anonymous. */
export interface CredentialSource {
  /** @param path the repository's: podman keeps credentials for parts of a registry */
  find(host: string, path: string): Promise<Credential | undefined>;
}

export const anonymous: CredentialSource = { find: () => Promise.resolve(undefined) };

/** The first source that knows the host. */
export function firstOf(...sources: readonly CredentialSource[]): CredentialSource {
  return {
    async find(host, path) {
      for (const source of sources) {
        const credential = await source.find(host, path);
        if (credential !== undefined) return credential;
      }
      return undefined;
    },
  };
}

/** As `source`, and tells every secret that it gives out, to who keeps them out of what is printed. */
export function telling(source: CredentialSource, tell: (secret: string) => void): CredentialSource {
  return {
    async find(host, path) {
      const credential = await source.find(host, path);
      if (credential !== undefined) for (const secret of secretsOf(credential)) tell(secret);
      return credential;
    },
  };
}

function secretsOf(credential: Credential): string[] {
  if (credential.kind === 'registry-token') return [credential.token];
  const { username = '<token>' } = credential;
  const password = credential.kind === 'password' ? credential.password : credential.token;
  // As it goes over the wire too: a server may repeat what it was sent.
  return [password, basicAuthorization({ username, password }).replace('Basic ', '')];
}

/** `Basic …` (RFC 7617, UTF-8). */
export function basicAuthorization(credential: {
  readonly username: string;
  readonly password: string;
}): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
}

/** The key under which docker keeps a registry: Docker Hub's is a URL of 2013. */
export function serverAddressOf(host: string): string {
  return host === 'docker.io' ? 'https://index.docker.io/v1/' : host;
}
