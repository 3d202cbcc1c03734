import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { DeployerError } from '../lib/errors.js';
import type { HttpClient, HttpRequest, HttpResponse } from './client.js';
import type { DispatcherSource, Reach } from './dispatchers.js';
import { networkError } from './network-error.js';
import { MOST_REDIRECTS, redirectTarget } from './redirect.js';
import { BODY_TIMEOUT, letGo, UndiciResponse, withoutQuery } from './undici-response.js';

/** One request and its answer, for `--verbose`; the query is left out (a signed URL is a credential). */
export interface RoundTrip {
  readonly method: string;
  readonly url: string;
  /** Undefined when no answer came. */
  readonly status?: number;
  readonly durationMs: number;
}

export interface UndiciClientOptions {
  readonly dispatchers: DispatcherSource;
  readonly userAgent: string;
  readonly trace?: (roundTrip: RoundTrip) => void;
  /** Milliseconds until a response's headers must have come, where a request does not tell; 30 s. */
  readonly headersTimeoutMs?: number;
  /** Milliseconds of waiting in which a body must have brought `SLOWEST_BODY` bytes, or its end; 60 s. */
  readonly bodyTimeoutMs?: number;
}

/** HttpClient on undici: follows redirects by hand, so that every hop is judged before a header goes there. */
export class UndiciClient implements HttpClient {
  readonly #options: UndiciClientOptions;

  constructor(options: UndiciClientOptions) {
    this.#options = options;
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const origin = new URL(request.url).origin;
    let url = new URL(request.url);
    let home = true;
    for (let hop = 0; ; hop += 1) {
      const answer = await this.#exchange(request, url, home);
      const location = answer.headers['location'];
      const next = redirectTarget(url, request.method, answer.statusCode, single(location));
      const { bodyTimeoutMs = BODY_TIMEOUT } = this.#options;
      if (next === undefined) return new UndiciResponse(answer, url, request, bodyTimeoutMs);
      await letGo(answer.body);
      if (hop === MOST_REDIRECTS) throw tooManyRedirects(url);
      url = next;
      // Once away it stays away: else another host chooses where a credential goes (CVE-2024-45336).
      home &&= url.origin === origin;
    }
  }

  connectEarly(url: URL, count: number, reach?: Reach): void {
    // What goes wrong here goes wrong again, and is told, when the request comes.
    this.#options.dispatchers.connectEarly(url, count, reach).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#options.dispatchers.close();
  }

  async #exchange(request: HttpRequest, url: URL, home: boolean): Promise<Dispatcher.ResponseData> {
    const { method, signal, namedBy } = request;
    const { headersTimeoutMs = 30_000, bodyTimeoutMs = BODY_TIMEOUT } = this.#options;
    const started = performance.now();
    const traced = (status?: number): void =>
      this.#options.trace?.({
        method,
        url: withoutQuery(url),
        durationMs: performance.now() - started,
        ...(status === undefined ? {} : { status }),
      });
    try {
      const dispatcher = await this.#options.dispatchers.forUrl(url, { namedBy });
      const answer = await dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: method,
        headers: {
          'user-agent': this.#options.userAgent,
          ...request.headers,
          ...lengthOf(request.body),
          // The one rule for credentials: scheme, host and port are those the caller named (CVE-2020-15157).
          ...(home && request.authorization !== undefined ? { authorization: request.authorization } : {}),
        },
        body: bodyOf(request.body),
        headersTimeout: request.headersTimeoutMs ?? headersTimeoutMs,
        bodyTimeout: bodyTimeoutMs,
        // undici would close the connection after a HEAD, for servers that send a body with the answer: what they send
        // breaks the next request, which is then sent again. To connect anew each time costs every other server more.
        reset: false,
        ...(signal === undefined ? {} : { signal }),
      });
      traced(answer.statusCode);
      return answer;
    } catch (error) {
      traced();
      signal?.throwIfAborted();
      throw networkError(
        error,
        url,
        `${method} ${withoutQuery(url)}`,
        this.#options.dispatchers.proxyFor(url),
      );
    }
  }
}

/**
 * undici takes an iterable as it takes a stream, and asks it for the next chunk when the socket has drained; its types
 * know streams alone, and a stream around the iterable would read ahead of the socket.
 */
function bodyOf(body: HttpRequest['body']): Readable | string | Uint8Array | null {
  if (body === undefined) return null;
  return typeof body === 'string' || body instanceof Uint8Array ? body : (body.open() as unknown as Readable);
}

function lengthOf(body: HttpRequest['body']): Record<string, string> {
  return typeof body === 'object' && 'open' in body ? { 'content-length': String(body.length) } : {};
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

function tooManyRedirects(url: URL): DeployerError {
  return new DeployerError('redirect_refused', `${url.host} redirected more than ${MOST_REDIRECTS} times`, {
    suggestions: ['check the host name; a login page or a proxy may stand before the server'],
  });
}
