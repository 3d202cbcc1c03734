import type { HttpClient, HttpRequest, HttpResponse } from '../http/client.js';
import { pauseAfter, withRetry, type RetryPolicy } from '../http/retry.js';
import { DeployerError } from '../lib/errors.js';
import type { Login } from '../lib/login.js';
import type { Access, Authenticator } from './authenticator.js';
import { parseChallenge, type Challenge } from './challenge.js';
import { RegistryOrigins } from './origins.js';
import { splitScopes, type RefusedScopes } from './scope.js';

export interface RegistryClientPorts {
  readonly http: HttpClient;
  readonly authenticator: Authenticator;
  readonly retry: RetryPolicy;
  /** Registries that are spoken to over plain http, beside those on loopback: `HOST[:PORT]`. */
  readonly insecure: readonly string[];
  /** Milliseconds that a question to a registry (a manifest, tags, a small blob) may take in all; 3 minutes. */
  readonly questionTimeoutMs?: number;
  /** Said when a request is repeated. */
  readonly onRetry?: (why: string, pauseMs: number) => void;
}

const QUESTION_TIMEOUT = 180_000;

/** A try that brought so many bytes of a blob is not counted as a failure: it goes on, if slowly. */
export const WORTHWHILE = 64 * 1024;

/** A repository, and what is to be done in it. */
export interface RepositoryAccess extends Omit<Access, 'host' | 'registry'> {
  /** docker's name of the registry: `docker.io`, `localhost:5000`. */
  readonly domain: string;
}

export interface RegistryRequest extends Omit<HttpRequest, 'url' | 'authorization'> {
  /** Below `/v2/NAME/`, or a whole URL that the registry named (an upload's place, a next page). */
  readonly target: string | URL;
  /** Of whole bodies, and of what is safe to repeat: unless told, every request is tried again when it may help. */
  readonly retry?: boolean;
}

export interface RegistryResponse {
  readonly response: HttpResponse;
  /** Whether the request that was answered carried an Authorization header. */
  readonly authorized: boolean;
  /** Whose, where it was refused: of an anonymous token nobody's. */
  readonly login?: Login;
  /** Of a token that was not enough. */
  readonly scopes?: RefusedScopes;
}

/**
 * The way to registries that all who ask them share: finds the origin, answers a 401, repeats what passes. A URL
 * elsewhere than at the registry's own origin gets no credentials, and its 401 no answer.
 */
export class RegistryRequests {
  readonly #ports: RegistryClientPorts;
  readonly #origins: RegistryOrigins;

  constructor(ports: RegistryClientPorts) {
    this.#ports = ports;
    this.#origins = new RegistryOrigins(ports.insecure);
  }

  get questionTimeoutMs(): number {
    return this.#ports.questionTimeoutMs ?? QUESTION_TIMEOUT;
  }

  get retry(): RetryPolicy {
    return this.#ports.retry;
  }

  /** Tells who watches that something is done again. */
  retrying(why: string, pauseMs: number): void {
    this.#ports.onRetry?.(why, pauseMs);
  }

  /**
   * Waits before what broke off is asked for once more.
   * @param attempt the one that broke off, from 1
   * @throws the error itself, when that is not worth it
   */
  async pauseAfterBreak(error: unknown, attempt: number, signal?: AbortSignal, where = ''): Promise<void> {
    const { retry } = this.#ports;
    const isPassing = error instanceof DeployerError && retry.codes.has(error.code);
    if (!isPassing || attempt >= retry.tries || signal?.aborted === true) throw error;
    const pause = pauseAfter(retry, attempt, undefined) ?? 0;
    this.retrying(`${error.message}${where}`, pause);
    await retry.clock.sleep(pause, signal);
  }

  /** Where something of a repository is, for a person: `target` below `/v2/NAME/`. */
  urlOf({ domain, path }: Pick<RepositoryAccess, 'domain' | 'path'>, target: string): URL {
    return new URL(`/v2/${path}/${target}`, this.#origins.of(domain));
  }

  /** Answers of any status resolve. Throws what `HttpClient` and the token server throw. */
  async send(access: RepositoryAccess, request: RegistryRequest): Promise<RegistryResponse> {
    if (this.#isElsewhere(access, request.target)) {
      return { response: await this.#sendOnce(access, request, undefined), authorized: false };
    }
    const { authenticator } = this.#ports;
    const { signal } = request;
    const about = (): Access => this.#accessOf(access);
    let authorization = await authenticator.expected(about(), signal);
    for (let answers = 0; ; answers += 1) {
      const response = await this.#sendOnce(access, request, authorization);
      const authorized = authorization !== undefined;
      const challenge =
        response.status === 401 ? parseChallenge(response.headers['www-authenticate']) : undefined;
      if (challenge === undefined) {
        const isRefused = authorized && response.status >= 400;
        return { response, authorized, ...(isRefused && (await this.#loginTo(about()))) };
      }
      // A second answer is worth its token only when the registry names a scope that the first had not.
      const more = answers === 0 || (answers === 1 && authenticator.lacks(about(), challenge));
      const answer = more ? await authenticator.answer(about(), challenge, authorization, signal) : undefined;
      if (answer === undefined) {
        const login = authorized && (await this.#loginTo(about()));
        return { response, authorized, ...login, ...this.#refusedScopes(about(), challenge) };
      }
      await response.discard();
      authorization = answer;
    }
  }

  async #loginTo(access: Access): Promise<Pick<RegistryResponse, 'login'>> {
    const login = await this.#ports.authenticator.login(access);
    return login === undefined ? {} : { login };
  }

  #refusedScopes(access: Access, challenge: Challenge): Pick<RegistryResponse, 'scopes'> {
    if (challenge.scheme === 'basic') return {};
    const named = splitScopes(challenge.scope);
    return { scopes: { asked: this.#ports.authenticator.scopes(access), named } };
  }

  #sendOnce(
    access: RepositoryAccess,
    { target, retry = true, ...request }: RegistryRequest,
    authorization: string | undefined,
  ): Promise<HttpResponse> {
    const { http, retry: policy } = this.#ports;
    const exchange = (origin: URL): Promise<HttpResponse> =>
      http.send({
        ...request,
        url: target instanceof URL ? target : new URL(`/v2/${access.path}/${target}`, origin),
        ...(authorization === undefined ? {} : { authorization }),
      });
    const send = (): Promise<HttpResponse> =>
      target instanceof URL ? exchange(target) : this.#origins.send(access.domain, exchange);
    if (!retry) return send();
    return withRetry(policy, send, {
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      onRetry: (why, pauseMs) => this.retrying(why, pauseMs),
    });
  }

  #isElsewhere({ domain }: RepositoryAccess, target: string | URL): boolean {
    return target instanceof URL && target.origin !== this.#origins.of(domain).origin;
  }

  #accessOf({ domain, ...access }: RepositoryAccess): Access {
    // Asked anew each time: the first exchange with a registry on loopback decides its scheme.
    return { ...access, host: domain, registry: this.#origins.of(domain) };
  }
}
