import {
  createServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** What concerns one connection and is not passed on (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/**
 * The one URL of an app over all its releases: each request goes to the next machine in turn that may take it; 503
 * when there is none. WebSockets pass.
 */
export class FrontProxy {
  readonly #app: string;
  readonly #ports: () => readonly number[];
  readonly #server: Server;
  readonly #upgraded = new Set<Duplex>();
  #turn = 0;

  /** @param ports the loopback ports of the machines that may take a request at this moment */
  constructor(app: string, ports: () => readonly number[]) {
    this.#app = app;
    this.#ports = ports;
    // Longer than clients keep a connection for reuse: one that the server closes first may be in use already.
    this.#server = createServer({ keepAliveTimeout: 90_000 }, (request, response) =>
      this.#pass(request, response),
    );
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#passUpgrade(request, socket, head),
    );
  }

  /** Listens on loopback, on the port of before if it is still free. Resolves to the port. */
  async listen(port = 0): Promise<number> {
    try {
      return await this.#listen(port);
    } catch (error) {
      if (port === 0) throw error;
      return await this.#listen(0);
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    // The server has let go of these.
    for (const socket of this.#upgraded) socket.destroy();
    await closed;
  }

  #listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const upstream = this.#forward(request);
    if (upstream === undefined) return this.#refuse(response, 503, 'no healthy machine');
    upstream.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, withoutHopByHop(answer));
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    upstream.on('error', (error) => {
      if (response.headersSent) response.destroy();
      else this.#refuse(response, 502, `its machine did not answer: ${error.message}`);
    });
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
  }

  #passUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgraded.add(socket);
    socket.on('close', () => this.#upgraded.delete(socket));
    socket.on('error', () => socket.destroy());
    const upstream = this.#forward(request, {
      connection: 'Upgrade',
      upgrade: request.headers.upgrade ?? '',
    });
    if (upstream === undefined) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    upstream.on('upgrade', (answer, inner, innerHead) => {
      inner.on('error', () => socket.destroy());
      inner.on('close', () => socket.destroy());
      socket.on('close', () => inner.destroy());
      socket.write(headOf(answer));
      socket.write(innerHead);
      inner.write(head);
      inner.pipe(socket).pipe(inner);
    });
    upstream.on('response', (answer) => {
      socket.write(
        `HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}\r\nConnection: close\r\n\r\n`,
      );
      answer.pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    upstream.end();
  }

  #forward(
    request: IncomingMessage,
    extra: Readonly<Record<string, string>> = {},
  ): ClientRequest | undefined {
    const ports = this.#ports();
    const port = ports[this.#turn % Math.max(1, ports.length)];
    this.#turn += 1;
    if (port === undefined) return undefined;
    const { host = '', 'transfer-encoding': encoding } = request.headers;
    return httpRequest({
      host: '127.0.0.1',
      port,
      method: request.method,
      path: request.url,
      headers: {
        ...withoutHopByHop(request),
        // Without it Node sends the body of a DELETE unframed.
        ...(encoding === undefined ? {} : { 'transfer-encoding': 'chunked' }),
        ...extra,
        'x-forwarded-for': request.socket.remoteAddress ?? '127.0.0.1',
        'x-forwarded-host': host,
        'x-forwarded-proto': 'http',
      },
      agent: false,
    });
  }

  #refuse(response: ServerResponse, status: number, why: string): void {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(`${this.#app}: ${why}\n`);
  }
}

function withoutHopByHop(message: IncomingMessage): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined && !HOP_BY_HOP.includes(name)) headers[name] = value;
  }
  return headers;
}

// Names, values and order as the machine sent them.
function headOf(answer: IncomingMessage): string {
  let head = `HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}\r\n`;
  for (let at = 0; at < answer.rawHeaders.length; at += 2) {
    head += `${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}\r\n`;
  }
  return `${head}\r\n`;
}
