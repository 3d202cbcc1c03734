import type { HttpClient, HttpRequest, HttpResponse } from '../http/client.js';
import { withRetry, type RetryPolicy } from '../http/retry.js';
import type { Access, Authenticator } from './authenticator.js';
import { parseChallenge } from './challenge.js';
import { RegistryOrigins } from './origins.js';

export interface RegistryClientPorts {
  readonly http: HttpClient;
  readonly authenticator: Authenticator;
  readonly retry: RetryPolicy;
  /** Registries that are spoken to over plain http, beside those on loopback: `HOST[:PORT]`. */
  readonly insecure: readonly string[];
  /** Said when a request is repeated. */
  readonly onRetry?: (why: string, pauseMs: number) => void;
}

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

  get retry(): RetryPolicy {
    return this.#ports.retry;
  }

  /** Tells who watches that something is done again. */
  retrying(why: string, pauseMs: number): void {
    this.#ports.onRetry?.(why, pauseMs);
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
    const expected = await authenticator.expected(this.#accessOf(access), signal);
    const response = await this.#sendOnce(access, request, expected);
    const challenge =
      response.status === 401 ? parseChallenge(response.headers['www-authenticate']) : undefined;
    const answer =
      challenge && (await authenticator.answer(this.#accessOf(access), challenge, expected, signal));
    if (answer === undefined) return { response, authorized: expected !== undefined };
    await response.discard();
    return { response: await this.#sendOnce(access, request, answer), authorized: true };
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
