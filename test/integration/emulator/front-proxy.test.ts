import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { FrontProxy } from '../../../src/emulator/machines/front-proxy.js';

/** What stands in for a machine's own server here: a real one, on loopback. */
async function startMachine(name: string): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    if (request.url === '/dies') return void request.socket.destroy();
    if (request.url === '/dies-late') {
      response.write('the first half');
      return void setTimeout(() => request.socket.destroy(), 20);
    }
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      response.setHeader('set-cookie', ['a=1', 'b=2']);
      response.end(
        JSON.stringify({ name, method: request.method, url: request.url, headers: request.headers, body }),
      );
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (request.url !== '/echo')
      return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n`,
    );
    socket.write(head);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

describe("the proxy in front of an app's machines", () => {
  let machines: { server: Server; port: number }[];
  let routable: number[];
  let proxy: FrontProxy;
  let url: string;

  beforeEach(async () => {
    machines = [await startMachine('one'), await startMachine('two')];
    routable = machines.map(({ port }) => port);
    proxy = new FrontProxy('shop', () => routable);
    url = `http://127.0.0.1:${await proxy.listen()}`;
  });
  afterEach(async () => {
    await proxy.close();
    for (const { server } of machines) {
      server.closeAllConnections();
      server.close();
    }
  });

  const ask = async (path: string, init: RequestInit = {}): Promise<Record<string, unknown>> =>
    (await (await fetch(`${url}${path}`, init)).json()) as Record<string, unknown>;

  it('sends each request to the next machine, with its method, path, body and where it came from', async () => {
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => ask('/a?b=c', { method: 'PUT', body: 'payload' })),
    );
    expect(answers.map(({ name }) => name).sort()).to.deep.equal(['one', 'one', 'two', 'two']);
    expect(answers[0]).to.include({ method: 'PUT', url: '/a?b=c', body: 'payload' });
    expect(answers[0]?.['headers']).to.include({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': new URL(url).host,
      'x-forwarded-proto': 'http',
    });
  });

  it('passes a body of unknown length whatever the method, and every cookie back', async () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('in two '));
        controller.enqueue(new TextEncoder().encode('pieces'));
        controller.close();
      },
    });
    const response = await fetch(url, { method: 'DELETE', body, duplex: 'half' });
    expect(((await response.json()) as { body: string }).body).to.equal('in two pieces');
    expect(response.headers.getSetCookie()).to.deep.equal(['a=1', 'b=2']);
  });

  it('answers 503 when no machine may take a request, and sends requests again once one may', async () => {
    const ports = routable;
    routable = [];
    const response = await fetch(url);
    expect([response.status, await response.text()]).to.deep.equal([503, 'shop: no healthy machine\n']);
    routable = ports.slice(1);
    expect((await ask('/'))['name']).to.equal('two');
  });

  it('answers 502 for a machine that breaks off, and breaks off where it had begun to answer', async () => {
    expect((await fetch(`${url}/dies`)).status).to.equal(502);
    const half = await fetch(`${url}/dies-late`);
    expect(half.status).to.equal(200);
    expect(await half.text().catch(() => 'broken off')).to.equal('broken off');
    expect((await ask('/'))['method']).to.equal('GET');
  });

  it('passes an upgraded connection both ways, and ends it when the machine or the proxy ends', async () => {
    const upgrade = async (): Promise<Socket> => {
      const request = httpRequest(`${url}/echo`, {
        headers: { connection: 'Upgrade', upgrade: 'websocket' },
      });
      request.end();
      const [response, socket] = (await once(request, 'upgrade')) as [IncomingMessage, Socket];
      expect(response.headers.upgrade).to.equal('websocket');
      return socket;
    };
    const first = await upgrade();
    first.write('ping');
    const [echo] = (await once(first, 'data')) as [Buffer];
    expect(echo.toString()).to.equal('ping');
    const closed = once(first, 'close');
    first.on('error', () => undefined);
    await proxy.close();
    await closed;
  });

  it('gives back the refusal of an upgrade, and 503 where there is no machine', async () => {
    const statusOf = async (): Promise<number | undefined> => {
      const request = httpRequest(`${url}/chat`, {
        headers: { connection: 'Upgrade', upgrade: 'websocket' },
      });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    expect(await statusOf()).to.equal(403);
    routable = [];
    expect(await statusOf()).to.equal(503);
  });

  it('takes the port of before when it is free, and another when it is not', async () => {
    const taken = machines[0]?.port ?? 0;
    const another = new FrontProxy('shop', () => []);
    const port = await another.listen(taken);
    expect(port).to.not.equal(taken);
    await another.close();
    const again = new FrontProxy('shop', () => []);
    expect(await again.listen(port)).to.equal(port);
    await again.close();
  });
});
