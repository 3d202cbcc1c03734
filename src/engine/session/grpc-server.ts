import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../lib/errors.js';
import { framed, GRPC_CODE, GrpcStatus, messagesIn } from './grpc-messages.js';

/*
 * gRPC over HTTP/2, the server's side (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), on a
 * connection that is already there: BuildKit calls its client back through the session's socket. grpc-js can serve
 * such a connection too, but joins repeated headers and refuses more than 128 of them, which are the lines of a
 * .dockerignore here.
 */

export interface GrpcCall {
  /** Every value that was sent under this name, in order. */
  metadata(name: string): string[];
  /** What the client sends; ends with its last message, throws when the call was cancelled. */
  readonly messages: AsyncIterable<Buffer>;
  /** Resolves when there is room for more. */
  send(...messages: readonly Uint8Array[]): Promise<void>;
  /** Aborted when the call has ended, however. */
  readonly ended: AbortSignal;
}

/** `/package.Service/Method` -> what answers it. */
export type GrpcMethods = Readonly<Record<string, (call: GrpcCall) => Promise<void>>>;

export interface GrpcConnection {
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  close(): void;
}

const HEADERS_LIMIT = 4 * 1024 * 1024;

/** Answers the calls that come in on `socket` until it is closed. */
export async function serveGrpc(socket: Duplex, methods: GrpcMethods): Promise<GrpcConnection> {
  const { performServerHandshake } = await import('node:http2');
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  // Not a server's 'connection': over TLS it would expect the protocol to be agreed on in the handshake.
  const session = performServerHandshake(socket, {
    maxHeaderListPairs: 100_000,
    maxSessionMemory: 64,
    settings: { maxHeaderListSize: HEADERS_LIMIT, maxConcurrentStreams: 1000 },
  });
  // A connection that breaks is told by `closed`; without a listener it would end the process.
  session.on('error', () => undefined);
  // What node:http2 tells with the fourth, its types do not: names and values in turn, nothing joined.
  const onStream = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    _flags: number,
    rawHeaders: readonly string[],
  ): void => void answer(stream, headers, rawHeaders, methods);
  session.on('stream', onStream as Parameters<typeof session.on>[1]);
  return {
    closed,
    close: () => {
      session.destroy();
      socket.destroy();
    },
  };
}

async function answer(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  methods: GrpcMethods,
): Promise<void> {
  stream.on('error', () => undefined);
  const ended = new AbortController();
  stream.once('close', () => ended.abort());
  const path = String(headers[':path']);
  const method = methods[path];
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  let trailers: Record<string, string> = { 'grpc-status': '0' };
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  try {
    if (method === undefined) throw new GrpcStatus(GRPC_CODE.unimplemented, `${path} is not served`);
    await method({
      metadata: (name) => valuesOf(rawHeaders, name),
      messages: messagesIn(stream),
      send: (...messages) => send(stream, messages),
      ended: ended.signal,
    });
  } catch (error) {
    const code = error instanceof GrpcStatus ? error.code : GRPC_CODE.internal;
    // Percent-encoded, as the protocol wants everything that is no printable ASCII.
    trailers = { 'grpc-status': String(code), 'grpc-message': encodeURIComponent(messageOf(error)) };
  }
  if (stream.destroyed) return;
  stream.resume();
  stream.end();
}

/** Engines before 23 send paths in UTF-8 as it is; node:http2 reads headers as Latin-1. */
function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders
    .filter((_, at) => at % 2 === 1 && rawHeaders[at - 1] === name)
    .map((value) => Buffer.from(value, 'latin1').toString('utf8'));
}

/** Bytes that wait to be written before who sends has to wait as well. */
const SEND_BUFFER = 256 * 1024;

async function send(stream: ServerHttp2Stream, messages: readonly Uint8Array[]): Promise<void> {
  if (stream.destroyed) throw new GrpcStatus(GRPC_CODE.internal, 'the call is over');
  // What is sent in one turn goes out at once: each write by itself costs more than 1 kB of content.
  if (stream.writableCorked === 0) {
    stream.cork();
    process.nextTick(() => stream.uncork());
  }
  stream.write(framed(...messages));
  if (stream.writableLength < SEND_BUFFER) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (done: () => void) => (): void => {
      stream.off('drain', onDrain).off('close', onClose);
      done();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new GrpcStatus(GRPC_CODE.internal, 'the call is over')));
    stream.once('drain', onDrain).once('close', onClose);
  });
}
