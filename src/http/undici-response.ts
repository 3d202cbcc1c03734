import type { Dispatcher } from 'undici';
import { DeployerError } from '../lib/errors.js';
import type { HttpRequest, HttpResponse } from './client.js';
import { networkError } from './network-error.js';

/** Slower than 1 KiB a second in the usual 60 s is no way to get anything: a server that drips holds on to a client. */
const SLOWEST_BODY = 60 * 1024;
/** Milliseconds. */
export const BODY_TIMEOUT = 60_000;
/** Milliseconds that the rest of a body which nobody reads is waited for, so that its connection may be used again. */
const MOMENT = 500;

/** An answer whose body has not been read yet. */
export class UndiciResponse implements HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly url: URL;
  readonly #body: Dispatcher.ResponseData['body'];
  readonly #request: HttpRequest;
  readonly #timeoutMs: number;

  constructor(answer: Dispatcher.ResponseData, url: URL, request: HttpRequest, timeoutMs: number) {
    this.status = answer.statusCode;
    this.headers = flatten(answer.headers);
    this.url = url;
    this.#body = answer.body;
    this.#request = request;
    this.#timeoutMs = timeoutMs;
  }

  async bytes(limit: number): Promise<Buffer> {
    // A length that is announced and too large is refused before a byte of it is read.
    const announced = Number(this.headers['content-length'] ?? 0);
    if (announced > limit && this.#request.method !== 'HEAD') throw this.#tooLarge(limit);
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limit) throw this.#tooLarge(limit);
      chunks.push(chunk);
    };
    try {
      await this.#flow(take);
      await connectionFree();
    } catch (error) {
      throw this.#failure(error);
    }
    return Buffer.concat(chunks, size);
  }

  async *chunks(): AsyncGenerator<Buffer> {
    // Who stops early destroys the stream, and undici calls that an error.
    this.#body.on('error', () => undefined);
    const pace = new Pace(this.#timeoutMs);
    try {
      for await (const chunk of this.#body as AsyncIterable<Buffer>) {
        if (!pace.keeps(chunk.length)) throw this.#tooSlow();
        yield chunk;
        pace.waitAgain();
      }
      await connectionFree();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async start(limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.chunks()) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= limit) break;
    }
    return Buffer.concat(chunks, size).subarray(0, limit);
  }

  async text(limit: number): Promise<string> {
    return (await this.bytes(limit)).toString('utf8');
  }

  async discard(): Promise<void> {
    await letGo(this.#body);
  }

  /** Without an iterator, which takes Node 2 ms to make: of most answers all comes at once. */
  #flow(take: (chunk: Buffer) => void): Promise<void> {
    const pace = new Pace(this.#timeoutMs);
    return new Promise((resolve, reject) => {
      // It may have broken off before.
      if (this.#body.errored !== null) reject(this.#body.errored);
      this.#body.once('close', resolve).on('error', reject);
      this.#body.on('data', (chunk: Buffer) => {
        try {
          if (!pace.keeps(chunk.length)) throw this.#tooSlow();
          take(chunk);
          pace.waitAgain();
        } catch (error) {
          reject(error);
          this.#body.destroy();
        }
      });
    });
  }

  #failure(error: unknown): unknown {
    const { signal } = this.#request;
    return signal?.aborted === true ? signal.reason : networkError(error, this.url, this.#asked);
  }

  get #asked(): string {
    return `${this.#request.method} ${withoutQuery(this.url)}`;
  }

  #tooSlow(): DeployerError {
    return new DeployerError('connection_timed_out', `${this.url.host} sends its answer too slowly`, {
      evidence: [`${this.#asked}: less than ${SLOWEST_BODY} bytes in ${this.#timeoutMs / 1000} s`],
      suggestions: ['try again, or from another network'],
    });
  }

  #tooLarge(limit: number): DeployerError {
    this.#body.on('error', () => undefined).destroy();
    return new DeployerError(
      'response_too_large',
      `${this.url.host} answered with more than ${limit} bytes`,
      {
        evidence: [this.#asked],
        suggestions: ['check the URL: this is not the kind of answer that was asked for'],
      },
    );
  }
}

/** How fast a body comes, counting only the time that it was waited for: who reads it may take their own. */
class Pace {
  readonly #windowMs: number;
  #since = performance.now();
  #waited = 0;
  #bytes = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Whether it is still fast enough, with this many bytes more. */
  keeps(bytes: number): boolean {
    this.#waited += performance.now() - this.#since;
    this.#bytes += bytes;
    if (this.#waited < this.#windowMs) return true;
    const enough = this.#bytes >= SLOWEST_BODY;
    [this.#waited, this.#bytes] = [0, 0];
    return enough;
  }

  waitAgain(): void {
    this.#since = performance.now();
  }
}

/** undici gives a connection its next request a turn of the event loop after a body's end; until then it opens another. */
function connectionFree(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Reads what is left of a body that nobody wants, so that its connection may be used again. */
export async function letGo(body: Dispatcher.ResponseData['body']): Promise<void> {
  const timer = setTimeout(() => body.destroy(), MOMENT);
  await body.dump();
  clearTimeout(timer);
  await connectionFree();
}

function flatten(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}

/** A signed URL's query is a credential. */
export function withoutQuery(url: URL): string {
  return `${url.origin}${url.pathname}`;
}
