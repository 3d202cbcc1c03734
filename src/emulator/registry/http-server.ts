import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { whyNotLocal } from '../loopback.js';
import { hasCode } from './durable-files.js';
import type { Exchange, Reply } from './exchange.js';
import { errorBody, ProtocolError } from './protocol-error.js';

export interface HttpServerOptions {
  readonly answer: (exchange: Exchange) => Promise<Reply>;
  readonly log: (line: string) => void;
  /** A connection on which nothing moves for so long is cut (ms). */
  readonly idleTimeoutMs: number;
}

/** What a client may take to send its headers (ms). A body may take any time, as long as it moves. */
const HEADERS_TIMEOUT_MS = 20_000;

/** Longer than clients keep a connection for reuse: one that the server closes first may be in use already (ms). */
const KEEP_ALIVE_MS = 90_000;

/** What requests under way may take when the server closes (ms). */
const CLOSE_GRACE_MS = 2_000;

/** Takes requests on 127.0.0.1, for programs on this machine alone, and sends the answers. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS },
      (request, response) => {
        const work = this.#serve(request, response);
        this.#underWay.add(work);
        void work.finally(() => this.#underWay.delete(work));
      },
    );
    this.#server.setTimeout(options.idleTimeoutMs);
  }

  /**
   * @param port 0 for any that is free
   * @returns the port
   * @throws DeployerError `usage` when it can't be had
   */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const why = hasCode(cause, 'EADDRINUSE') ? 'another program does' : cause.message;
        const message = `the registry can't listen on 127.0.0.1:${port}: ${why}`;
        const suggestions = ['choose another port, or 0 for any that is free'];
        reject(new DeployerError('usage', message, { cause, suggestions }));
      });
      this.#server.listen(port, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more requests, gives those under way a little time, and ends every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const grace = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
    // Connections that are kept for reuse may bring new ones meanwhile.
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    clearTimeout(grace);
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = Date.now();
    const what = `${request.method} ${cleanLine(request.url ?? '')}`;
    try {
      const reply = await this.#reply(request);
      // A client that still sends does not listen yet: what was not wanted of its body is let go by.
      request.resume();
      await send(request, response, reply);
      this.#options.log(`${what} ${reply.status} ${Date.now() - started}ms`);
    } catch (error) {
      // The client went away, or does not read: nobody is there to be told.
      response.destroy();
      this.#options.log(`${what} broken off after ${Date.now() - started}ms: ${cleanLine(messageOf(error))}`);
    }
  }

  async #reply(request: IncomingMessage): Promise<Reply> {
    try {
      const refusal = whyNotLocal(request.headers);
      if (refusal !== undefined) throw new ProtocolError('DENIED', refusal);
      return await this.#options.answer(exchangeOf(request));
    } catch (error) {
      if (error instanceof ProtocolError) return errorReply(error.status, error.body, error.headers);
      if (request.errored) throw error;
      this.#options.log(`${request.method} ${cleanLine(request.url ?? '')}: ${cleanLine(messageOf(error))}`);
      return errorReply(500, errorBody('UNKNOWN', 'unknown error', [cleanLine(messageOf(error))]));
    }
  }
}

function exchangeOf(request: IncomingMessage): Exchange {
  const url = request.url ?? '';
  const mark = url.indexOf('?');
  return {
    method: request.method ?? '',
    path: mark < 0 ? url : url.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : url.slice(mark)),
    headers: request.headers,
    // Whoever stops reading half-way must still be able to answer: the connection is not to be destroyed.
    body: { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) },
  };
}

function errorReply(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers }, body };
}

async function send(request: IncomingMessage, response: ServerResponse, reply: Reply): Promise<void> {
  const { status, headers = {}, body } = reply;
  response.writeHead(status, {
    'Docker-Distribution-API-Version': 'registry/2.0',
    ...lengthOf(status, body),
    ...headers,
  });
  if (body instanceof Readable) {
    await pipeline(body, response);
    return;
  }
  response.end(request.method === 'HEAD' ? undefined : body);
  await finished(response);
}

function lengthOf(status: number, body: Reply['body']): Record<string, number> {
  // A 304 with a length would announce that of the content; a 204 has none (RFC 9110, section 8.6).
  if (status === 204 || status === 304 || body instanceof Readable) return {};
  return { 'Content-Length': body === undefined ? 0 : Buffer.byteLength(body) };
}
