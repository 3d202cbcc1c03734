import type { HttpClient } from '../http/client.js';
import type { RetryPolicy } from '../http/retry.js';
import type { Clock } from '../lib/clock.js';
import { withDeadline } from '../lib/deadline.js';
import { DeployerError } from '../lib/errors.js';
import { loginOf, type Login } from '../lib/login.js';
import { SharedWork } from '../lib/shared-work.js';
import type { Challenge } from './challenge.js';
import type { ChallengeMemory } from './challenge-memory.js';
import { basicAuthorization, type CredentialSource } from './credentials/credential.js';
import { checkRealm, realmRefusal } from './realm.js';
import { splitScopes, uniteScopes } from './scope.js';
import { grantOf, type TokenGrant } from './token-grant.js';
import { fetchToken, type Token, type TokenRequest } from './token.js';

const TOKEN_TIMEOUT = 120_000;

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
  /** Requests that will follow at the same time: so many connections are opened early; 1. */
  readonly atOnce?: number;
}

export interface AuthenticatorPorts {
  readonly http: HttpClient;
  readonly credentials: CredentialSource;
  readonly memory: ChallengeMemory;
  readonly clock: Clock;
  /** For the token server. */
  readonly retry: RetryPolicy;
  /** Milliseconds until a token must have come, with all tries; 2 minutes. */
  readonly tokenTimeoutMs?: number;
  /** Told what each token is good for. */
  readonly onToken?: (grant: TokenGrant) => void;
}

type BearerChallenge = Challenge & { readonly scheme: 'bearer' };

interface HeldToken {
  readonly token: SharedWork<Token>;
  renewAt: number;
}

/**
 * Gives the `Authorization` of a request: at once when the registry's challenge is remembered, else after its 401.
 * Tokens are kept for each registry and scope, fetched once for all who wait, and renewed before they expire.
 */
export class Authenticator {
  readonly #ports: AuthenticatorPorts;
  readonly #tokens = new Map<string, HeldToken>();
  /** What this run has heard. */
  readonly #challenges = new Map<string, Challenge>();
  /** What was known before: the memory is asked once a registry, not once a request. */
  readonly #recalled = new Map<string, Promise<Challenge | undefined>>();
  /** The scopes that a registry named for an access, beside those that are asked for anyway. */
  readonly #named = new Map<string, readonly string[]>();

  constructor(ports: AuthenticatorPorts) {
    this.#ports = ports;
  }

  /** For the first try; undefined when nothing is known of the registry yet. */
  async expected(access: Access, signal?: AbortSignal): Promise<string | undefined> {
    const { host } = access.registry;
    const challenge = this.#challenges.get(host) ?? (await this.#recall(host));
    if (challenge === undefined) return undefined;
    this.#challenges.set(host, challenge);
    try {
      return await this.#authorization(access, challenge, signal);
    } catch {
      // The registry may have moved its token server: asked without, it says so in its 401, and that is answered.
      signal?.throwIfAborted();
      this.#challenges.delete(host);
      return undefined;
    }
  }

  #recall(host: string): Promise<Challenge | undefined> {
    const recalled = this.#recalled.get(host) ?? this.#ports.memory.recall(host);
    this.#recalled.set(host, recalled);
    return recalled;
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
    const before = this.#named.get(accessKey(access)) ?? [];
    if (challenge.scheme === 'bearer')
      this.#named.set(accessKey(access), uniteScopes(before, splitScopes(challenge.scope)));
    let authorization: string | undefined;
    try {
      authorization = await this.#authorization(access, challenge, signal);
    } catch (error) {
      // A scope that no token is given for (to mount from a repository, say) must not spoil the tokens that follow.
      this.#named.set(accessKey(access), before);
      throw error;
    }
    this.#challenges.set(access.registry.host, challenge);
    await this.#ports.memory.remember(access.registry.host, challenge);
    return authorization === refused ? undefined : authorization;
  }

  /** With whose credentials it is asked; undefined: as anyone. */
  async login({ host, path }: Access): Promise<Login | undefined> {
    const credential = await this.#ports.credentials.find(host, path);
    return credential && loginOf(credential);
  }

  /** What a token for this access is asked for: what it needs, and what the registry has named for it. */
  scopes(access: Access): string[] {
    return uniteScopes(ownScopes(access), this.#named.get(accessKey(access)) ?? []);
  }

  /** Whether the challenge names a scope that no token was asked for yet. */
  lacks(access: Access, challenge: Challenge): boolean {
    if (challenge.scheme === 'basic') return false;
    const asked = this.scopes(access);
    return uniteScopes(asked, splitScopes(challenge.scope)).join(' ') !== asked.join(' ');
  }

  /**
   * While a credential helper is asked and the token fetched, the handshakes with both servers are done; the token
   * comes first, so its server is connected to first. Where that is the registry, its own connection serves both.
   */
  #connectEarly(access: Access, challenge: BearerChallenge): void {
    const { http } = this.#ports;
    const { registry, atOnce = 1 } = access;
    const realm = checkRealm(challenge.realm, registry);
    const elsewhere = realm.host !== registry.host;
    if (elsewhere) http.connectEarly?.(realm, 1, { namedBy: registry });
    if (elsewhere || atOnce > 1) http.connectEarly?.(registry, atOnce);
  }

  /** Of several requests that one expired token was refused to, the first brings the new one for all. */
  async #forget(access: Access, refused: string): Promise<void> {
    const key = this.#keyOf(access);
    const held = this.#tokens.get(key);
    const token = await held?.token.wait().catch(() => undefined);
    if (`Bearer ${token?.value}` === refused && this.#tokens.get(key) === held) this.#tokens.delete(key);
  }

  async #authorization(
    access: Access,
    challenge: Challenge,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    if (challenge.scheme === 'bearer' && this.#held(access) === undefined)
      this.#connectEarly(access, challenge);
    const credential = await this.#ports.credentials.find(access.host, access.path);
    if (credential?.kind === 'registry-token') return `Bearer ${credential.token}`;
    if (challenge.scheme === 'basic') {
      return credential?.kind === 'password' ? basicAuthorization(credential) : undefined;
    }
    const { value } = await this.#token(access, challenge, signal);
    return `Bearer ${value}`;
  }

  async #token(access: Access, challenge: BearerChallenge, signal?: AbortSignal): Promise<Token> {
    const held = this.#held(access);
    if (held !== undefined) return held.token.wait(signal);
    const { clock } = this.#ports;
    const key = this.#keyOf(access);
    const asked = clock.now();
    const fresh: HeldToken = {
      token: new SharedWork(async (all) => {
        const token = await this.#fetch(access, challenge, all);
        // Renewed when a tenth of its life is left: a token must not expire on its way.
        fresh.renewAt = asked + token.expiresIn * 900;
        return token;
      }),
      renewAt: Infinity,
    };
    this.#tokens.set(key, fresh);
    try {
      return await fresh.token.wait(signal);
    } finally {
      if (fresh.token.over && this.#tokens.get(key) === fresh) this.#tokens.delete(key);
    }
  }

  /** A token that may still be used, or is on its way. */
  #held(access: Access): HeldToken | undefined {
    const held = this.#tokens.get(this.#keyOf(access));
    return held !== undefined && this.#ports.clock.now() < held.renewAt ? held : undefined;
  }

  async #fetch(access: Access, challenge: BearerChallenge, signal: AbortSignal): Promise<Token> {
    const { http, credentials, retry, onToken, tokenTimeoutMs = TOKEN_TIMEOUT } = this.#ports;
    const realm = checkRealm(challenge.realm, access.registry);
    const credential = await credentials.find(access.host, access.path);
    const scopes = this.scopes(access);
    const request: TokenRequest = {
      ...{ host: access.host, realm, scopes, namedBy: access.registry },
      ...(challenge.service === undefined ? {} : { service: challenge.service }),
      ...(credential === undefined ? {} : { credential }),
    };
    const late = (): DeployerError => tooLate(realm, scopes, tokenTimeoutMs);
    try {
      const token = await withDeadline({ ms: tokenTimeoutMs, late, signal }, (end) =>
        fetchToken(http, retry, { ...request, signal: end }),
      );
      onToken?.(grantOf(request, token));
      return token;
    } catch (error) {
      throw realmRefusal(error, realm, access.registry);
    }
  }

  #keyOf(access: Access): string {
    return `${access.registry.host} ${this.scopes(access).join(' ')}`;
  }
}

function ownScopes({ path, actions, mountFrom = [] }: Access): string[] {
  return [
    `repository:${path}:${[...actions].sort().join(',')}`,
    ...mountFrom.map((from) => `repository:${from}:pull`),
  ];
}

function accessKey(access: Access): string {
  return `${access.registry.host} ${ownScopes(access).join(' ')}`;
}

function tooLate(realm: URL, scopes: readonly string[], ms: number): DeployerError {
  return new DeployerError('connection_timed_out', `the token server ${realm.host} did not answer in time`, {
    evidence: [`waited ${ms / 1000} s for a token for ${scopes.join(' ')}`],
    suggestions: ["try again in a moment; the registry's status page may tell more"],
  });
}
