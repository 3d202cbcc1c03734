import type { HttpClient } from '../http/client.js';
import type { RetryPolicy } from '../http/retry.js';
import type { Clock } from '../lib/clock.js';
import type { Challenge } from './challenge.js';
import type { ChallengeMemory } from './challenge-memory.js';
import { basicAuthorization, type CredentialSource } from './credentials/credential.js';
import { checkRealm, type Lookup } from './realm.js';
import { grantOf, type TokenGrant } from './token-grant.js';
import { fetchToken, type Token, type TokenRequest } from './token.js';

/** What is asked of a repository: `repository:library/alpine:pull` (distribution's scope grammar). */
export interface Access {
  /** docker's name of the registry, for credentials: `docker.io`. */
  readonly host: string;
  /** Where it is reached. */
  readonly registry: URL;
  readonly path: string;
  readonly actions: readonly ('pull' | 'push')[];
  /** Repositories of the same registry whose blobs may be mounted: the token must let them be read. */
  readonly mountFrom?: readonly string[];
}

export interface AuthenticatorPorts {
  readonly http: HttpClient;
  readonly credentials: CredentialSource;
  readonly memory: ChallengeMemory;
  readonly clock: Clock;
  readonly lookup: Lookup;
  /** For the token server. */
  readonly retry: RetryPolicy;
  /** Told what each token is good for. */
  readonly onToken?: (grant: TokenGrant) => void;
}

interface HeldToken {
  readonly token: Promise<Token>;
  renewAt: number;
}

/**
 * Gives the `Authorization` of a request: at once when the registry's challenge is remembered, else after its 401.
 * Tokens are kept for each registry and scope, fetched once for all who wait, and renewed before they expire.
 */
export class Authenticator {
  readonly #ports: AuthenticatorPorts;
  readonly #tokens = new Map<string, HeldToken>();
  /** What this run has heard: the memory is asked once a registry, not once a request. */
  readonly #challenges = new Map<string, Challenge>();

  constructor(ports: AuthenticatorPorts) {
    this.#ports = ports;
  }

  /** For the first try; undefined when nothing is known of the registry yet. */
  async expected(access: Access, signal?: AbortSignal): Promise<string | undefined> {
    const { host } = access.registry;
    const challenge = this.#challenges.get(host) ?? (await this.#ports.memory.recall(host));
    if (challenge === undefined) return undefined;
    this.#challenges.set(host, challenge);
    try {
      return await this.#authorization(access, challenge, signal);
    } catch {
      // The registry may have moved its token server: asked without, it says so in its 401, and that is answered.
      signal?.throwIfAborted();
      this.#tokens.delete(keyOf(access));
      this.#challenges.delete(host);
      return undefined;
    }
  }

  /**
   * For the second try, after a 401 with this challenge.
   * @param refused what was sent and not accepted: such a token is not used again
   * @returns undefined when there is nothing (new) to answer with
   */
  async answer(
    access: Access,
    challenge: Challenge,
    refused: string | undefined,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    if (refused !== undefined) await this.#forget(access, refused);
    const authorization = await this.#authorization(access, challenge, signal);
    this.#challenges.set(access.registry.host, challenge);
    await this.#ports.memory.remember(access.registry.host, challenge);
    return authorization === refused ? undefined : authorization;
  }

  /** Of several requests that one expired token was refused to, the first brings the new one for all. */
  async #forget(access: Access, refused: string): Promise<void> {
    const key = keyOf(access);
    const held = this.#tokens.get(key);
    const token = await held?.token.catch(() => undefined);
    if (`Bearer ${token?.value}` === refused && this.#tokens.get(key) === held) this.#tokens.delete(key);
  }

  async #authorization(
    access: Access,
    challenge: Challenge,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const credential = await this.#ports.credentials.find(access.host, access.path);
    if (credential?.kind === 'registry-token') return `Bearer ${credential.token}`;
    if (challenge.scheme === 'basic') {
      return credential?.kind === 'password' ? basicAuthorization(credential) : undefined;
    }
    const { value } = await this.#token(access, challenge, signal);
    return `Bearer ${value}`;
  }

  #token(access: Access, challenge: Challenge & { scheme: 'bearer' }, signal?: AbortSignal): Promise<Token> {
    const { clock } = this.#ports;
    const key = keyOf(access);
    const held = this.#tokens.get(key);
    if (held !== undefined && clock.now() < held.renewAt) return held.token;
    const fresh: HeldToken = { token: this.#fetch(access, challenge, signal), renewAt: Infinity };
    this.#tokens.set(key, fresh);
    fresh.token.then(
      // Renewed when a tenth of its life is left: a token must not expire on its way.
      (token) => (fresh.renewAt = clock.now() + token.expiresIn * 900),
      () => this.#tokens.delete(key),
    );
    return fresh.token;
  }

  async #fetch(
    access: Access,
    challenge: Challenge & { scheme: 'bearer' },
    signal?: AbortSignal,
  ): Promise<Token> {
    const { http, credentials, lookup, retry } = this.#ports;
    const realm = await checkRealm(challenge.realm, access.registry, lookup);
    const credential = await credentials.find(access.host, access.path);
    const request: TokenRequest = {
      host: access.host,
      realm,
      scopes: scopesOf(access),
      ...(challenge.service === undefined ? {} : { service: challenge.service }),
      ...(credential === undefined ? {} : { credential }),
      ...(signal === undefined ? {} : { signal }),
    };
    const token = await fetchToken(http, retry, request);
    this.#ports.onToken?.(grantOf(request, token));
    return token;
  }
}

function scopesOf({ path, actions, mountFrom = [] }: Access): string[] {
  return [
    `repository:${path}:${[...actions].sort().join(',')}`,
    ...mountFrom.map((from) => `repository:${from}:pull`),
  ];
}

function keyOf(access: Access): string {
  return `${access.registry.host} ${scopesOf(access).join(' ')}`;
}
