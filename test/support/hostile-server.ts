import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Certificates } from './certificates.js';

/** A request that arrived, to tell what was asked and that no credential came along. */
export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** What the server does with a request. */
export interface Answer {
  /** 200 unless told */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sends this many bytes more, without an end if the client does not leave before. */
  readonly padBytes?: number;
  /** Sends a single byte of the body at a time, with this pause between. */
  readonly dripMs?: number;
  /** Does not say how long the body is. */
  readonly chunked?: boolean;
  /** Milliseconds before anything is sent. */
  readonly delayMs?: number;
  /** Bytes that go to the socket as they are, instead of an HTTP answer; then it is closed. */
  readonly raw?: string | Buffer;
  /** Sends status, headers and this many bytes of the body, then breaks the connection. */
  readonly cutAfterBytes?: number;
  /** `silent`: never answers. `reset`: breaks the connection at once. */
  readonly then?: 'silent' | 'reset';
}

/** Decides each answer. `count` is 1 for the first request. */
export type Script = (request: RecordedRequest, count: number) => Answer | Promise<Answer>;

export interface HostileServer extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  /** All requests so far. */
  readonly requests: readonly RecordedRequest[];
  /** Connections accepted so far. */
  connections(): number;
  /** Bytes that the system took for sending so far, on all connections. */
  bytesSent(): number;
  stop(): Promise<void>;
}

/** A loopback HTTP server that misbehaves as its script says. With `tls`, the same over TLS. */
export async function startHostileServer(script: Script, tls?: Certificates): Promise<HostileServer> {
  const requests: RecordedRequest[] = [];
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    record(request)
      .then((recorded) => {
        requests.push(recorded);
        return script(recorded, requests.length);
      })
      .then((answer) => give(answer, request, response))
      .catch((error: unknown) => request.destroy(error instanceof Error ? error : new Error(String(error))));
  };
  const server = tls
    ? createTlsServer({ cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) }, onRequest)
    : createServer(onRequest);
  return { ...(await listen(server, tls ? 'https' : 'http')), requests };
}

/** Speaks no HTTP: every connection gets these bytes (none: silence) and is then left open. */
export function startRawServer(greeting = ''): Promise<Omit<HostileServer, 'requests'>> {
  const server = createTcpServer((socket) => {
    // A client that gives up is what such a test provokes.
    socket.on('error', () => socket.destroy());
    socket.write(greeting);
  });
  return listen(server, 'http');
}

/** Takes connections and reads nothing of what comes. */
export function startDeafServer(): Promise<Omit<HostileServer, 'requests'>> {
  const server = createTcpServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => socket.destroy());
  });
  return listen(server, 'http');
}

/** Answers every request with these bytes as they are, and keeps the connection open. */
export function startScriptedBytes(
  answerTo: (method: string) => string,
): Promise<Omit<HostileServer, 'requests'>> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => socket.write(answerTo(bytes.toString('latin1').split(' ')[0] ?? '')));
  });
  return listen(server, 'http');
}

async function listen(server: Server, scheme: string): Promise<Omit<HostileServer, 'requests'>> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  let sentBefore = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      sentBefore += taken(socket);
    });
  });
  const bytesSent = (): number => [...sockets].reduce((sum, socket) => sum + taken(socket), sentBefore);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    ...{ host, url: `${scheme}://${host}` },
    ...{ connections: () => accepted, bytesSent, stop, [Symbol.asyncDispose]: stop },
  };
}

/** What a socket was given to send, without what it still holds. */
function taken({ bytesWritten, writableLength }: Socket): number {
  return bytesWritten - writableLength;
}

async function record(request: IncomingMessage): Promise<RecordedRequest> {
  const headers = Object.entries(request.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : value,
  ]);
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    headers: Object.fromEntries(headers) as RecordedRequest['headers'],
    body: await buffer(request),
  };
}

async function give(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (answer.delayMs !== undefined) await delay(answer.delayMs);
  if (answer.then === 'silent') return;
  if (answer.then === 'reset') {
    // RST, not FIN.
    request.socket.resetAndDestroy();
    return;
  }
  if (answer.raw !== undefined) {
    request.socket.end(answer.raw);
    return;
  }
  const body = Buffer.from(answer.body ?? '');
  const padding = answer.padBytes ?? 0;
  response.writeHead(answer.status ?? 200, {
    ...(answer.chunked !== true && { 'content-length': String(body.length + padding) }),
    ...answer.headers,
  });
  if (answer.cutAfterBytes !== undefined) {
    response.write(body.subarray(0, answer.cutAfterBytes), () => request.socket.destroy());
    return;
  }
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const pieces = answer.dripMs === undefined ? padded(body, padding) : dripping(body, padding, answer.dripMs);
  await pipeline(Readable.from(pieces), response);
}

function* padded(body: Buffer, bytes: number): Generator<Buffer> {
  yield body;
  const chunk = Buffer.alloc(64 * 1024, ' ');
  for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
}

async function* dripping(body: Buffer, bytes: number, pauseMs: number): AsyncGenerator<Buffer> {
  for (const piece of padded(body, bytes)) {
    for (const byte of piece) {
      yield Buffer.of(byte);
      await delay(pauseMs);
    }
  }
}

/** A login portal or a proxy's block page, with 200. */
export function htmlPage(status = 200): Answer {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: '<!DOCTYPE html><html><head><title>Please sign in</title></head><body>\u001b[31mHello</body></html>',
  };
}

/** An error as a registry words it. */
export function registryError(status: number, code: string, message: string): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ errors: [{ code, message, detail: null }] }),
  };
}

/** 429; `retryAfter` in seconds or as an HTTP date. */
export function rateLimited(retryAfter?: string): Answer {
  const answer = registryError(429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit.');
  return retryAfter === undefined
    ? answer
    : { ...answer, headers: { ...answer.headers, 'retry-after': retryAfter } };
}

export function redirect(location: string, status = 307): Answer {
  return { status, headers: { location } };
}

/** A manifest with any bytes, media type and Docker-Content-Digest, right or wrong. */
export function manifestAnswer(body: string | Buffer, mediaType: string, digest?: string): Answer {
  return {
    headers: {
      'content-type': mediaType,
      ...(digest !== undefined && { 'docker-content-digest': digest }),
    },
    body,
  };
}
