/** What a registry knows a user by. */
export type RegistryLogin =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string }
  | { readonly kind: 'registry-token'; readonly token: string };

/** Looks up who a registry is to be asked as; undefined means: anonymous. */
export type FindLogin = (host: string) => Promise<RegistryLogin | undefined>;
