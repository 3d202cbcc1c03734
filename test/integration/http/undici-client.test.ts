import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Dispatchers, type DispatcherOptions } from '../../../src/http/dispatchers.js';
import { UndiciClient, type RoundTrip, type UndiciClientOptions } from '../../../src/http/undici-client.js';
import type { ErrorCode } from '../../../src/lib/errors.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { makeCertificates } from '../../support/certificates.js';
import { startServer, waitUntilReady } from '../../support/child-process.js';
import { failureOf } from '../../support/failure.js';
import { freePort } from '../../support/free-port.js';
import {
  redirect,
  startHostileServer,
  startRawServer,
  startScriptedBytes,
  type Answer,
} from '../../support/hostile-server.js';
import { startProxyServer } from '../../support/proxy-server.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';

type Options = Partial<Omit<UndiciClientOptions, 'dispatchers'>> & Partial<DispatcherOptions>;

/** Runs with a client of its own, which is closed after. */
async function using<T>(options: Options, work: (client: UndiciClient) => Promise<T>): Promise<T> {
  const { env = {}, tlsFor, connectTimeoutMs, resolve, ...rest } = options;
  const dispatchers = new Dispatchers({
    env,
    ...(tlsFor ? { tlsFor } : {}),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    ...(resolve ? { resolve } : {}),
  });
  const client = new UndiciClient({ userAgent: 'deployer/test', ...rest, dispatchers });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

const MEBI = 1024 * 1024;

/** On 127.0.0.1 alone, stopped, with as many connections waiting as its queue holds: it loses what comes then. */
async function startBusyServer(): Promise<{ readonly port: number; resume(): void } & AsyncDisposable> {
  const port = await freePort();
  const listening = `listen({ port: ${port}, host: '127.0.0.1', backlog: 1 }, () => console.log('ready'))`;
  const script = `require('node:http').createServer((_, response) => response.end('late')).${listening}`;
  const server = startServer({ program: process.execPath, args: ['--eval', script] });
  await waitUntilReady('the busy server', server, () => server.log().includes('ready') || undefined);
  process.kill(server.pid, 'SIGSTOP');
  const waiting = [0, 1, 2, 3].map(() => connect({ port, host: '127.0.0.1' }).on('error', () => undefined));
  await delay(100);
  return {
    port,
    resume: () => process.kill(server.pid, 'SIGCONT'),
    async [Symbol.asyncDispose]() {
      process.kill(server.pid, 'SIGCONT');
      for (const socket of waiting) socket.destroy();
      await server.stop();
    },
  };
}

describe('The HTTP client', () => {
  requires('openssl');

  it('takes localhost, and what ends in it, for this machine, whatever DNS says of the name', async () => {
    await using server = await startHostileServer(() => ({ status: 200, body: 'here' }));
    const asked: string[] = [];
    const resolve: DispatcherOptions['resolve'] = (hostname, _options, callback) => {
      asked.push(hostname);
      callback(null, [{ address: '203.0.113.1', family: 4 }]);
    };
    const port = server.host.split(':')[1];
    await using({ resolve }, async (client) => {
      for (const host of ['localhost', 'registry.localhost', 'a.registry.localhost']) {
        const response = await client.send({ method: 'GET', url: `http://${host}:${port}/` });
        expect(await response.text(100)).to.equal('here');
      }
    });
    expect(asked).to.deep.equal([]);
  });

  it('waits for a server on localhost that is slow to take connections, though nothing listens at its other address', async () => {
    await using server = await startBusyServer();
    await using({}, async (client) => {
      const asking = client.send({ method: 'GET', url: `http://localhost:${server.port}/` });
      // Longer than Node gives one of several addresses.
      await delay(500);
      server.resume();
      expect(await (await asking).text(100)).to.equal('late');
    });
  });

  it('resolves with an answer of any status, its headers in lower case', async () => {
    await using server = await startHostileServer(() => ({
      status: 418,
      headers: { 'X-Thing': 'yes' },
      body: 'téa',
    }));
    await using({}, async (client) => {
      const response = await client.send({ method: 'GET', url: `${server.url}/a?b=c` });
      expect([response.status, response.headers['x-thing'], await response.text(100)]).to.deep.equal([
        418,
        'yes',
        'téa',
      ]);
      expect(response.url.href).to.equal(`${server.url}/a?b=c`);
    });
    expect([server.requests[0]?.url, server.requests[0]?.headers['user-agent']]).to.deep.equal([
      '/a?b=c',
      'deployer/test',
    ]);
  });

  describe('keeping its connection', () => {
    it('asks over the one that it began before all was loaded', async () => {
      await using server = await startHostileServer(() => ({ body: 'all' }));
      await using({}, async (client) => {
        for (let asked = 0; asked < 2; asked += 1) {
          const answer = await client.send({ method: 'GET', url: server.url });
          expect(await answer.text(100)).to.equal('all');
        }
      });
      expect(server.connections()).to.equal(1);
    });

    it('asks by HEAD again and again without connecting anew', async () => {
      await using server = await startHostileServer(() => ({ body: 'not sent' }));
      await using({}, async (client) => {
        for (const method of ['HEAD', 'HEAD', 'HEAD', 'HEAD', 'HEAD', 'HEAD', 'GET'])
          await (await client.send({ method, url: server.url })).discard();
      });
      expect(server.requests).to.have.length(7);
      // A request that comes in the moment in which the first connection is still busy makes the pool a second one.
      expect(server.connections()).to.be.at.most(2);
    });

    it('takes no body that came with a HEAD for the next answer', async () => {
      const forged = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged';
      await using server = await startScriptedBytes((method) =>
        method === 'HEAD'
          ? `HTTP/1.1 200 OK\r\ncontent-length: ${forged.length}\r\n\r\n${forged}`
          : 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue',
      );
      await using({}, async (client) => {
        await (await client.send({ method: 'HEAD', url: server.url })).discard();
        const next = await client.send({ method: 'GET', url: server.url });
        expect(await next.text(100)).to.equal('true');
      });
      expect(server.connections()).to.equal(2);
    });
  });

  describe('following redirects', () => {
    it('takes the authorization along within the origin, and to no other', async () => {
      await using elsewhere = await startHostileServer(() => ({ body: 'there' }));
      await using server = await startHostileServer(({ url }) =>
        url === '/start'
          ? redirect('/next')
          : url === '/next'
            ? redirect(`${elsewhere.url}/there?sig=1`)
            : { body: 'unexpected' },
      );
      await using({}, async (client) => {
        const response = await client.send({
          method: 'GET',
          url: `${server.url}/start`,
          authorization: 'Bearer secret-token',
          headers: { accept: 'application/json' },
        });
        expect(await response.text(100)).to.equal('there');
        expect(response.url.href).to.equal(`${elsewhere.url}/there?sig=1`);
      });
      expect(server.requests.map(({ headers }) => headers['authorization'])).to.deep.equal([
        'Bearer secret-token',
        'Bearer secret-token',
      ]);
      expect(JSON.stringify(elsewhere.requests)).not.to.contain('secret-token');
      expect(elsewhere.requests[0]?.headers).to.include({ accept: 'application/json' });
    });

    it('does not take it up again on the way back', async () => {
      await using bouncer = await startHostileServer(() => redirect(`${server.url}/back`));
      await using server = await startHostileServer(({ url }) =>
        url === '/back' ? { body: 'home' } : redirect(`${bouncer.url}/`),
      );
      await using({}, async (client) => {
        await client.send({ method: 'GET', url: server.url, authorization: 'Bearer secret-token' });
      });
      expect(bouncer.requests[0]?.headers['authorization']).to.equal(undefined);
      // The way here was chosen by another host: it must not choose where a credential goes.
      expect(server.requests[1]?.headers['authorization']).to.equal(undefined);
    });

    it('ends after five, and says so', async () => {
      await using server = await startHostileServer(({ url }) => redirect(`${url}a`));
      const error = await using({}, (client) =>
        failureOf(() => client.send({ method: 'GET', url: `${server.url}/` })),
      );
      expect([error.code, server.requests.length]).to.deep.equal(['redirect_refused', 6]);
      expect(error.message).to.contain('more than 5 times');
    });

    it('never leaves https for http, and does not even connect there', async () => {
      await using folder = await makeTempFolder('tls');
      const certificates = await makeCertificates(folder.path);
      const ca = [await readFile(certificates.caFile, 'utf8')];
      await using plain = await startHostileServer(() => ({ body: 'plain' }));
      await using server = await startHostileServer(() => redirect(`${plain.url}/x`), certificates);
      const error = await using({ tlsFor: () => Promise.resolve({ ca }) }, (client) =>
        failureOf(() => client.send({ method: 'GET', url: server.url, authorization: 'Bearer secret' })),
      );
      expect([error.code, error.exit]).to.deep.equal(['redirect_refused', 12]);
      expect(error.message).to.contain('would leave https');
      expect([server.requests.length, plain.connections()]).to.deep.equal([1, 0]);
    });

    it('is not held up by what comes with them: a long body, or one that breaks off', async () => {
      for (const answer of [{ padBytes: 64 * MEBI }, { body: 'x'.repeat(1000), cutAfterBytes: 10 }]) {
        await using server = await startHostileServer(({ url }) =>
          url === '/' ? { ...redirect('/there'), ...answer } : { body: 'there' },
        );
        const text = await using({}, async (client) =>
          (await client.send({ method: 'GET', url: `${server.url}/` })).text(100),
        );
        expect(text).to.equal('there');
        expect(server.bytesSent()).to.be.below(16 * MEBI);
      }
    });

    it('leaves what changes something where it is', async () => {
      await using server = await startHostileServer(() => redirect('/elsewhere'));
      await using({}, async (client) => {
        const response = await client.send({ method: 'POST', url: server.url, body: 'x' });
        expect([response.status, server.requests.length]).to.deep.equal([307, 1]);
      });
    });
  });

  describe('reading a body', () => {
    const read = async (answer: Answer, limit: number, how: 'bytes' | 'start'): Promise<[Buffer, number]> => {
      await using server = await startHostileServer(() => answer);
      const bytes = await using({}, async (client) =>
        (await client.send({ method: 'GET', url: server.url }))[how](limit),
      );
      return [bytes, server.bytesSent()];
    };

    it('refuses one that is announced as too long before it comes', async () => {
      await using server = await startHostileServer(() => ({ padBytes: 1024 * MEBI }));
      const error = await using({}, (client) =>
        failureOf(async () =>
          (await client.send({ method: 'GET', url: `${server.url}/x?secret=1` })).bytes(MEBI),
        ),
      );
      expect(error.code).to.equal('response_too_large');
      expect(error.evidence).to.deep.equal([`GET ${server.url}/x`]);
      expect(server.bytesSent()).to.be.below(16 * MEBI);
    });

    it('stops one that is not announced at its limit, and takes one that just fits', async () => {
      await using server = await startHostileServer(() => ({ chunked: true, padBytes: 1024 * MEBI }));
      const error = await using({}, (client) =>
        failureOf(async () => (await client.send({ method: 'GET', url: server.url })).bytes(MEBI)),
      );
      expect(error.code).to.equal('response_too_large');
      expect(server.bytesSent()).to.be.below(16 * MEBI);
      const [fits] = await read({ chunked: true, padBytes: MEBI }, MEBI, 'bytes');
      expect(fits).to.have.length(MEBI);
    });

    it('says of one that broke off before anybody read it that it did', async () => {
      const server = createServer((socket) =>
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const error = await using({}, async (client) => {
        const answer = await client.send({ method: 'GET', url: `http://127.0.0.1:${port}/` });
        await new Promise<void>((resolve) => server.close(() => resolve()));
        // By now the body has told its failure, to nobody.
        await new Promise((resolve) => setTimeout(resolve, 50));
        return failureOf(() => answer.bytes(100));
      });
      expect(error.code).to.equal('connection_lost');
    });

    it('can take its start alone, and lets the rest go', async () => {
      for (const chunked of [true, false]) {
        const [start, sent] = await read({ chunked, body: 'start', padBytes: 1024 * MEBI }, 7, 'start');
        expect(start.toString()).to.equal('start  ');
        expect(sent).to.be.below(16 * MEBI);
      }
      const [short] = await read({ body: 'all' }, 7, 'start');
      expect(short.toString()).to.equal('all');
    });
  });

  describe('with no answer', () => {
    const outcomes: Readonly<Record<string, [Answer, ErrorCode]>> = {
      'a reset connection': [{ then: 'reset' }, 'connection_lost'],
      'a body that breaks off': [{ body: '0123456789', cutAfterBytes: 4 }, 'connection_lost'],
      'a body shorter than announced': [
        { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort' },
        'connection_lost',
      ],
      'another protocol': [{ raw: 'SSH-2.0-OpenSSH_9.2\r\n' }, 'connection_lost'],
      silence: [{ then: 'silent' }, 'connection_timed_out'],
      'a body that never goes on': [
        { headers: { 'content-length': '100' }, delayMs: 0 },
        'connection_timed_out',
      ],
    };
    for (const [name, [answer, code]] of Object.entries(outcomes)) {
      it(`(${name}) ends as ${code}`, async () => {
        await using server = await startHostileServer(() => answer);
        const trips: RoundTrip[] = [];
        const patienceMs = code === 'connection_timed_out' ? 200 : 5000;
        const options = {
          headersTimeoutMs: patienceMs,
          bodyTimeoutMs: patienceMs,
          trace: (trip: RoundTrip) => trips.push(trip),
        };
        const error = await using(options, (client) =>
          failureOf(async () =>
            (await client.send({ method: 'GET', url: `${server.url}/x?secret=1` })).bytes(MEBI),
          ),
        );
        expect(error.code).to.equal(code);
        expect(error.message).to.contain(server.host);
        expect(error.evidence.join()).to.contain(`GET ${server.url}/x: `);
        expect(JSON.stringify([error.evidence, trips])).not.to.contain('secret');
        expect(trips).to.have.length(1);
      });
    }

    it('(nobody listens) ends as connection_refused', async () => {
      const port = await freePort();
      const error = await using({}, (client) =>
        failureOf(() => client.send({ method: 'GET', url: `http://127.0.0.1:${port}/` })),
      );
      expect([error.code, error.exit]).to.deep.equal(['connection_refused', 12]);
    });

    it('(no such host) ends as dns_failed', async () => {
      const error = await using({}, (client) =>
        failureOf(() => client.send({ method: 'GET', url: 'https://registry.invalid/v2/' })),
      );
      expect(error.code).to.equal('dns_failed');
      expect(error.message).to.contain('registry.invalid');
    });

    it('(plain http on a TLS request) says that the port speaks no TLS', async () => {
      await using server = await startHostileServer(() => ({ body: 'plain' }));
      const error = await using({}, (client) =>
        failureOf(() => client.send({ method: 'GET', url: `https://${server.host}/` })),
      );
      expect(error.code).to.equal('tls_failed');
      expect(error.message).to.equal(`${server.host} does not speak TLS`);
    });

    it('(a server that takes connections and says nothing) does not keep it waiting in TLS either', async () => {
      await using server = await startRawServer();
      const error = await using({ connectTimeoutMs: 200 }, (client) =>
        failureOf(() => client.send({ method: 'GET', url: `https://${server.host}/` })),
      );
      expect(error.code).to.equal('connection_timed_out');
    });

    it('(no answer about a name) does not wait for it in either scheme', async () => {
      for (const scheme of ['http', 'https']) {
        const error = await using({ connectTimeoutMs: 200, resolve: () => undefined }, (client) =>
          failureOf(() => client.send({ method: 'GET', url: `${scheme}://registry.test/` })),
        );
        expect(error.code, scheme).to.equal('connection_timed_out');
      }
    });

    it('(a connection that ends before TLS begins) ends as connection_lost', async () => {
      const server = createServer((socket) => socket.resetAndDestroy());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const error = await using({}, (client) =>
        failureOf(() => client.send({ method: 'GET', url: `https://127.0.0.1:${port}/` })),
      );
      server.close();
      expect(error.code).to.equal('connection_lost');
    });

    it('(a name of a stranger that leads home) is connected to in no scheme', async () => {
      let connections = 0;
      const server = createServer(() => (connections += 1));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const resolve: DispatcherOptions['resolve'] = (hostname, _options, callback) =>
        callback(null, [{ address: hostname === 'evil.test' ? '127.0.0.1' : '203.0.113.1', family: 4 }]);
      await using({ resolve }, async (client) => {
        for (const scheme of ['http', 'https']) {
          const request = { method: 'GET', url: new URL(`${scheme}://evil.test:${port}/`) };
          const namedBy = new URL('https://registry.test/');
          client.connectEarly(request.url, 1, { namedBy });
          const error = await failureOf(() => client.send({ ...request, namedBy }));
          expect(error.code).to.equal('insecure_refused');
        }
      });
      server.close();
      expect(connections).to.equal(0);
    });

    it('(called off) throws the reason it was called off with', async () => {
      const controller = new AbortController();
      await using server = await startHostileServer(() => {
        controller.abort(new DeployerError('interrupted', 'Ctrl-C'));
        return { then: 'silent' };
      });
      const error = await using({}, (client) =>
        failureOf(() => client.send({ method: 'GET', url: server.url, signal: controller.signal })),
      );
      expect(error.code).to.equal('interrupted');
    });
  });

  describe('through a proxy', () => {
    it("hands plain http over as such, with the proxy's credentials for the proxy alone", async () => {
      await using server = await startHostileServer(() => ({ body: 'through' }));
      await using proxy = await startProxyServer({
        credentials: 'me:p@ss',
        routes: { 'registry.invalid:80': server.host },
      });
      const env = { HTTP_PROXY: `http://me:p%40ss@${proxy.host}` };
      const text = await using({ env }, async (client) =>
        (
          await client.send({ method: 'GET', url: 'http://registry.invalid/v2/', authorization: 'Bearer r' })
        ).text(100),
      );
      expect(text).to.equal('through');
      expect(proxy.requests.map(({ line }) => line)).to.deep.equal(['GET http://registry.invalid/v2/']);
      expect(server.requests[0]?.headers).to.include({ authorization: 'Bearer r', host: 'registry.invalid' });
      expect(JSON.stringify(server.requests)).not.to.contain('proxy-authorization');
    });

    it('says who wants credentials when the proxy does: for a tunnel and for plain http', async () => {
      await using proxy = await startProxyServer({ credentials: 'me:right' });
      for (const scheme of ['http', 'https']) {
        const env = { HTTP_PROXY: proxy.host, HTTPS_PROXY: `http://me:wrong-password@${proxy.host}` };
        const outcome = await using({ env }, (client) =>
          client
            .send({ method: 'GET', url: `${scheme}://registry.invalid/v2/` })
            .catch((error: unknown) => error),
        );
        if (outcome instanceof DeployerError) {
          expect(outcome.code).to.equal('proxy_failed');
          expect(outcome.message).to.contain('wants credentials (407)');
          expect(outcome.suggestions.join())
            .to.contain('USER:PASSWORD@')
            .and.contain('NO_PROXY=registry.invalid');
          expect(JSON.stringify(outcome.toDocument())).not.to.contain('wrong-password');
        } else {
          expect(outcome).to.have.property('status', 407);
        }
      }
    });

    it('says that the proxy failed when it does not tunnel, is not there, or has no name', async () => {
      await using proxy = await startProxyServer({ page: { status: 403, body: '<html>blocked</html>' } });
      const port = await freePort();
      for (const HTTPS_PROXY of [proxy.url, `127.0.0.1:${port}`, 'http://proxy.invalid:3128']) {
        const error = await using({ env: { HTTPS_PROXY } }, (client) =>
          failureOf(() => client.send({ method: 'GET', url: 'https://registry.invalid/v2/' })),
        );
        expect(error.code, HTTPS_PROXY).to.equal('proxy_failed');
        expect(error.suggestions.join()).to.contain('NO_PROXY=registry.invalid');
      }
    });

    it('is what neither loopback, nor NO_PROXY, nor the other scheme does', async () => {
      await using proxy = await startProxyServer({ page: { status: 200, body: 'proxied' } });
      await using server = await startHostileServer(() => ({ body: 'direct' }));
      const { url } = proxy;
      await using({ env: { HTTP_PROXY: url, HTTPS_PROXY: url } }, async (client) => {
        const response = await client.send({ method: 'GET', url: server.url });
        expect(await response.text(100)).to.equal('direct');
      });
      const direct = [
        { env: { HTTP_PROXY: url, NO_PROXY: 'invalid' }, asked: 'http://registry.invalid/' },
        { env: { http_proxy: url, no_proxy: '.other, .invalid' }, asked: 'http://registry.invalid/' },
        { env: { HTTP_PROXY: url }, asked: 'https://registry.invalid/' },
        { env: { HTTPS_PROXY: url }, asked: 'http://registry.invalid/' },
      ];
      for (const { env, asked } of direct) {
        const error = await using({ env }, (client) =>
          failureOf(() => client.send({ method: 'GET', url: asked })),
        );
        expect(error.code, JSON.stringify(env)).to.equal('dns_failed');
      }
      expect(proxy.requests).to.deep.equal([]);
    });

    it('that is written wrong names the variable, not its value', async () => {
      for (const value of ['ftp://me:hunter2@proxy', 'http://', 'http://me:hunter2@:x']) {
        const error = await using({ env: { https_proxy: value } }, (client) =>
          failureOf(() => client.send({ method: 'GET', url: 'https://registry.invalid/' })),
        );
        expect([error.code, error.exit]).to.deep.equal(['config_invalid', 2]);
        expect(error.message).to.contain('HTTPS_PROXY').and.not.contain('hunter2');
      }
    });
  });
});
