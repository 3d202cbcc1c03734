import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { ProtocolError } from './protocol-error.js';

/** A request, as the endpoints see it. */
export interface Exchange {
  readonly method: string;
  /** The path as it was sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Buffer>;
}

/** An answer. The body is left out when the request was a HEAD; its length then still has to be in the headers. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Buffer | Readable;
}

export function jsonReply(value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: `${JSON.stringify(value)}\n`,
  };
}

/** Whether If-None-Match names the ETag, quoted or not. */
export function isUnchanged(headers: IncomingHttpHeaders, etag: string): boolean {
  const known = headers['if-none-match'] ?? '';
  return known.split(',').some((item) => item.trim().replace(/^W\//, '').replaceAll('"', '') === etag);
}

export function methodNotAllowed(allow: string): ProtocolError {
  return new ProtocolError('UNSUPPORTED', 'the operation is unsupported', {
    status: 405,
    headers: { Allow: allow },
  });
}

/** The body whole. Throws `tooLong` as soon as it is longer than `limit` bytes. */
export async function readBody(exchange: Exchange, limit: number, tooLong: ProtocolError): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of exchange.body) {
    length += chunk.length;
    if (length > limit) throw tooLong;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
