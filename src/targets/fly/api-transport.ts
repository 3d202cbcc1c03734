import type { HttpClient, HttpResponse } from '../../http/client.js';
import { retryPolicy, withRetry, type RetryPolicy } from '../../http/retry.js';
import type { Clock } from '../../lib/clock.js';
import { isWithoutTls } from '../../http/network-error.js';
import { DeployerError } from '../../lib/errors.js';
import { adviceFor, type Advice } from './advice.js';
import { apiError, type ApiAnswer } from './api-error.js';
import { RATE, RateLimiter, type Rate } from './limiter.js';

export interface ApiTransportOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  /** As `apiBase` gives it. */
  readonly base: string;
  /** The Authorization header's value, for the base's origin and no other. */
  readonly authorization?: string;
  /** Where the token came from (`FLY_API_TOKEN`, `--token-file`), for the mend when it is refused. */
  readonly tokenSource?: string;
  /** The API's own registry, where it is known: for the mend when an image can't be pulled. */
  readonly registryHost?: string;
}

export type Nonce = () => string | undefined;

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the API's version, encoded: `/apps/example/machines`. */
  readonly path: string;
  readonly query?: URLSearchParams;
  readonly body?: unknown;
  /** The nonce of the machine's lease, for what the lease guards; read at every try, for it may have been renewed. */
  readonly nonce?: Nonce;
  /** What is limited: an action's name, and the machine or app that it acts on. */
  readonly action: string;
  readonly subject: string;
  readonly rate?: Rate;
  /** Whether it may be sent again when nobody knows if it was carried out. */
  readonly repeatable: boolean;
  readonly headersTimeoutMs?: number;
  /**
   * Ends the waiting before a request, and a request that only reads. A write that is on its way is never
   * cut off: nobody would know whether it was carried out.
   */
  readonly signal?: AbortSignal;
}

const LARGEST_ANSWER = 32 * 1024 * 1024;
const WRITE_TIMEOUT_MS = 60_000;

/** Sends what the Machines API is asked: within its rates, with the token, repeated where that is safe. */
export class ApiTransport {
  readonly advice: Advice;
  readonly #options: ApiTransportOptions;
  readonly #limiter: RateLimiter;
  readonly #reads: RetryPolicy;
  readonly #writes: RetryPolicy;
  readonly #end: AbortSignal | undefined;

  constructor(
    options: ApiTransportOptions,
    limiter: RateLimiter = new RateLimiter(options.clock),
    end?: AbortSignal,
  ) {
    this.#options = options;
    this.advice = adviceFor(options.base, options.registryHost);
    this.#limiter = limiter;
    this.#end = end;
    // Not 408: so the API says that a long poll came to its end.
    this.#reads = retryPolicy(options.clock, {
      tries: 5,
      baseMs: 500,
      statuses: new Set([429, 500, 502, 503, 504]),
    });
    // A 429 says that nothing was done. Any other fault leaves that open.
    this.#writes = retryPolicy(options.clock, {
      tries: 8,
      baseMs: 1000,
      statuses: new Set([429]),
      codes: new Set(),
    });
  }

  /**
   * The same, whose every request ends with this signal, a write that is on its way too: whoever sets it has to
   * reckon with both.
   */
  until(end: AbortSignal): ApiTransport {
    return new ApiTransport(this.#options, this.#limiter, end);
  }

  /** @returns the answer of whatever status; `refuse` turns an unwelcome one into an error */
  async send(request: ApiRequest): Promise<ApiAnswer> {
    const url = this.#url(request);
    const policy = request.repeatable ? this.#reads : this.#writes;
    const response = await withRetry(policy, () => this.#sendOnce(request, url), {
      signal: either(request.signal, this.#end),
    }).catch((error: unknown) => {
      throw this.#withAdvice(error);
    });
    return {
      status: response.status,
      headers: response.headers,
      body: await response.text(LARGEST_ANSWER),
      asked: `${request.method} ${url.origin}${url.pathname}`,
    };
  }

  /** @throws always: what the answer means to a user */
  refuse(answer: ApiAnswer): never {
    throw apiError(answer, this.#options.tokenSource, this.advice);
  }

  /** Where nothing listens on this machine, the emulator has not been started; and it speaks plain http. */
  #withAdvice(error: unknown): unknown {
    if (!(error instanceof DeployerError)) return error;
    const { code, message, evidence, details, cause } = error;
    const { refused, plain } = this.advice;
    const suggestions = isWithoutTls(error) ? plain : code === 'connection_refused' ? refused : undefined;
    return suggestions === undefined
      ? error
      : new DeployerError(code, message, { evidence, details, cause, suggestions });
  }

  async #sendOnce(request: ApiRequest, url: URL): Promise<HttpResponse> {
    const { action, subject, rate = RATE.action } = request;
    const signal = either(request.signal, this.#end);
    await this.#limiter.take(`${action} ${subject}`, rate, signal);
    const cutBy = request.method === 'GET' ? signal : this.#end;
    const { authorization } = this.#options;
    const nonce = request.nonce?.();
    return this.#options.http.send({
      method: request.method,
      url,
      headers: {
        accept: 'application/json',
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(nonce === undefined ? {} : { 'fly-machine-lease-nonce': nonce }),
      },
      ...(authorization === undefined ? {} : { authorization }),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      headersTimeoutMs: request.headersTimeoutMs ?? WRITE_TIMEOUT_MS,
      ...(cutBy === undefined ? {} : { signal: cutBy }),
    });
  }

  #url(request: ApiRequest): URL {
    const url = new URL(`${this.#options.base}${request.path}`);
    if (request.query !== undefined) url.search = request.query.toString();
    return url;
  }
}

function either(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | undefined {
  return one && other ? AbortSignal.any([one, other]) : (one ?? other);
}

/** The API's base with its version: `https://api.machines.dev` and `http://127.0.0.1:4280/v1/` both do. */
export function apiBase(url: string): string {
  const trimmed = url.replace(/\/+$/, '');
  return /\/v\d+$/.test(trimmed) ? trimmed : `${trimmed}/v1`;
}
