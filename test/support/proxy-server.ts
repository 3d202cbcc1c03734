import { readFile } from 'node:fs/promises';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Certificates } from './certificates.js';

export interface ProxyOptions {
  /** `user:password` that it wants, else 407. */
  readonly credentials?: string;
  /** Speaks TLS itself (an `https://` proxy). */
  readonly tls?: Certificates;
  /** Where a host is really reached: `registry.invalid:443` -> `127.0.0.1:PORT`. What is not here is refused with 502. */
  readonly routes?: Readonly<Record<string, string>>;
  /** Answers every request, and every tunnel, with this web page instead. */
  readonly page?: { readonly status: number; readonly body: string };
}

/** What a client asked of the proxy. */
export interface Proxied {
  /** `CONNECT registry.invalid:443`, `GET http://registry.invalid/v2/` */
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
}

export interface ProxyServer extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  readonly requests: readonly Proxied[];
  stop(): Promise<void>;
}

/** A forward proxy on loopback (RFC 9110, 7.7): tunnels by CONNECT, and plain http in absolute form. */
export async function startProxyServer(options: ProxyOptions = {}): Promise<ProxyServer> {
  const requests: Proxied[] = [];
  const record = ({ method, url, headers }: IncomingMessage): void => {
    requests.push({ line: `${method} ${url}`, headers });
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    record(request);
    const refusal = refusalOf(request, options);
    if (refusal) response.writeHead(refusal.status, refusal.headers).end(refusal.body);
    else forward(request, response, options);
  };
  const { tls } = options;
  const server: Server = tls
    ? createTlsServer({ cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) }, onRequest)
    : createServer(onRequest);
  server.on('connect', (request: IncomingMessage, client: Duplex) => {
    record(request);
    // Who gives up while the tunnel is made is what some tests provoke.
    client.on('error', () => client.destroy());
    const refusal = refusalOf(request, options);
    if (refusal) client.end(wire(refusal));
    else tunnel(request.url ?? '', client, options);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { host, url: `${tls ? 'https' : 'http'}://${host}`, requests, stop, [Symbol.asyncDispose]: stop };
}

interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function refusalOf({ headers }: IncomingMessage, options: ProxyOptions): Refusal | undefined {
  const { credentials, page } = options;
  if (page) return { ...page, headers: { 'content-type': 'text/html' } };
  const expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
  if (headers['proxy-authorization'] === expected || expected === undefined) return undefined;
  return { status: 407, headers: { 'proxy-authenticate': 'Basic realm="proxy"' }, body: 'who are you?' };
}

function wire({ status, headers, body }: Refusal): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} -`, ...lines, `content-length: ${body.length}`, '', body].join('\r\n');
}

function forward(request: IncomingMessage, response: ServerResponse, { routes = {} }: ProxyOptions): void {
  const url = new URL(request.url ?? '');
  const route = routes[`${url.hostname}:${url.port || 80}`];
  if (route === undefined) {
    response.writeHead(502, { 'content-type': 'text/html' }).end('<html>no such host</html>');
    return;
  }
  const { 'proxy-authorization': _, ...headers } = request.headers;
  const onward = httpRequest(
    {
      host: '127.0.0.1',
      port: portOf(route),
      method: request.method,
      path: url.pathname + url.search,
      headers,
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', (error) => response.destroy(error));
  request.pipe(onward);
}

function tunnel(authority: string, client: Duplex, { routes = {} }: ProxyOptions): void {
  const route = routes[authority];
  if (route === undefined) {
    client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    return;
  }
  const far = connect(portOf(route), '127.0.0.1', () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    far.pipe(client);
    client.pipe(far);
  });
  far.on('error', () => client.destroy());
  client.on('close', () => far.destroy());
}

function portOf(route: string): number {
  return Number(route.split(':').at(-1));
}
