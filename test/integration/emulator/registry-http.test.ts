import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startRegistry } from '../../../src/emulator/registry/server.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { Digester, digestOf } from '../../../src/oci/digest.js';
import { startEmulatorRegistry, startEmulatorRegistryProcess } from '../../support/emulator-registry.js';
import { eventually } from '../../support/eventually.js';
import { ask, beginUpload, putBlob } from '../../support/registry-requests.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';

/** A connection on which this text was sent. */
async function send(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.write(text, resolve));
  return socket;
}

/** The status of a request whose path and Host are sent as they are. */
async function rawStatus(port: number, method: string, path: string, host = 'localhost'): Promise<number> {
  const socket = await send(
    port,
    `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx`,
  );
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += String(chunk);
  return Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);
}

describe("The HTTP of the emulator's registry", () => {
  describe('to hostile paths', () => {
    it('gives nothing from outside of its folder and writes nothing there', async () => {
      await using folder = await makeTempFolder('traversal');
      const dataDir = join(folder.path, 'inner', 'data');
      await mkdir(join(folder.path, 'inner'));
      await writeFile(join(folder.path, 'secret'), 'secret');
      await using registry = await startEmulatorRegistry({ dataDir });
      const before = await readdir(folder.path, { recursive: true });
      const ups = [
        '../../../secret',
        '..%2f..%2f..%2fsecret',
        '%2e%2e/%2e%2e/secret',
        '..%5c..%5csecret',
        '%00',
        '....//secret',
      ];
      for (const up of ups) {
        for (const path of [
          ...[
            `/${up}`,
            `/v2/${up}`,
            `/v2/${up}/tags/list`,
            `/v2/a/${up}/manifests/v1`,
            `/v2/a/manifests/${up}`,
          ],
          ...[
            `/v2/a/blobs/${up}`,
            `/v2/a/blobs/sha256:${up}`,
            `/v2/a/blobs/uploads/${up}`,
            `/v2/a/referrers/${up}`,
          ],
        ]) {
          for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE']) {
            expect(await rawStatus(registry.port, method, path), `${method} ${path}`).to.be.within(400, 405);
          }
        }
      }
      expect(await readdir(folder.path, { recursive: true })).to.deep.equal(before);
      expect(await readFile(join(folder.path, 'secret'), 'utf8')).to.equal('secret');
    });

    it('takes no way out through the names of a mount or the end of an upload', async () => {
      await using registry = await startEmulatorRegistry();
      const digest = await putBlob(registry, 'a', 'x');
      const mount = await ask(
        registry,
        'POST',
        `/v2/b/blobs/uploads/?mount=${digest}&from=${encodeURIComponent('a/../a')}`,
      );
      expect(mount.status).to.equal(202);
      const location = await beginUpload(registry, 'a');
      const put = await ask(
        registry,
        'PUT',
        `${location}?digest=${encodeURIComponent('sha256:../../../x')}`,
        { body: 'x' },
      );
      expect([put.status, put.codes()]).to.deep.equal([400, ['DIGEST_INVALID']]);
    });
  });

  describe('to others than programs of this machine', () => {
    it('refuses names that are not this machine, as after DNS rebinding', async () => {
      await using registry = await startEmulatorRegistry();
      for (const host of [
        'rebound.example',
        `rebound.example:${registry.port}`,
        '192.168.1.5',
        '127.0.0.1.nip.example',
      ]) {
        expect(await rawStatus(registry.port, 'GET', '/v2/', host), host).to.equal(403);
      }
      for (const host of ['localhost', `127.0.0.1:${registry.port}`, '[::1]:5001']) {
        expect(await rawStatus(registry.port, 'GET', '/v2/', host), host).to.equal(200);
      }
    });

    it('lets no web page of elsewhere store anything', async () => {
      await using registry = await startEmulatorRegistry();
      const path = `/v2/app/blobs/uploads/?digest=${digestOf('x')}`;
      // What a page can send without the browser asking first (a "simple request").
      const headers = { origin: 'https://page.example', 'content-type': 'text/plain' };
      const refused = await ask(registry, 'POST', path, { body: 'x', headers });
      expect([refused.status, refused.codes()]).to.deep.equal([403, ['DENIED']]);
      expect((await ask(registry, 'HEAD', `/v2/app/blobs/${digestOf('x')}`)).status).to.equal(404);
    });

    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
    it(`listens on loopback alone${outside === undefined ? ' (this machine has no other address)' : ''}`, async function () {
      if (outside === undefined) return this.skip();
      await using registry = await startEmulatorRegistry();
      const socket = connect(registry.port, outside);
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      expect(error.code).to.equal('ECONNREFUSED');
    });
  });

  describe('to slow and broken clients', () => {
    it('cuts one that stops in the middle of an upload, and keeps what it brought', async () => {
      await using registry = await startEmulatorRegistry({ idleTimeoutMs: 250 });
      const location = await beginUpload(registry, 'app');
      const socket = await send(
        registry.port,
        `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf`,
      );
      await eventually(async () => {
        expect((await ask(registry, 'GET', location)).headers.get('range')).to.equal('0-3');
      });
      const cut = once(socket.resume(), 'close');
      // It waits for its turn behind the one that stalls, and gets it.
      const next = await ask(registry, 'PATCH', location, { body: ' whole' });
      expect([next.status, next.headers.get('range')]).to.deep.equal([202, '0-9']);
      await cut;
      const put = await ask(registry, 'PUT', `${location}?digest=${digestOf('half whole')}`);
      expect(put.status).to.equal(201);
    });

    it('takes an upload that lasts longer than the limit, as long as it moves', async () => {
      await using registry = await startEmulatorRegistry({ idleTimeoutMs: 250 });
      const socket = await send(
        registry.port,
        `POST /v2/app/blobs/uploads/?digest=${digestOf('x'.repeat(10))} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n`,
      );
      for (let n = 0; n < 10; n++) {
        await new Promise((resolve) => setTimeout(resolve, 80));
        socket.write('x');
      }
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).to.match(/^HTTP\/1.1 201/);
      socket.destroy();
    });

    describe('(files are counted in /proc)', () => {
      requires('linux');

      it('holds no file open for clients that went away or stopped reading', async () => {
        await using registry = await startEmulatorRegistry({ idleTimeoutMs: 300 });
        const digest = await putBlob(registry, 'app', randomBytes(30_000_000));
        const get = `GET /v2/app/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
        const sockets = await Promise.all(Array.from({ length: 6 }, () => send(registry.port, get)));
        await Promise.all(sockets.map((socket) => once(socket, 'readable')));
        expect(await openFilesUnder(registry.dataDir)).to.equal(6);
        for (const socket of sockets.slice(0, 3)) socket.destroy();
        await eventually(async () => expect(await openFilesUnder(registry.dataDir)).to.equal(0));
        for (const socket of sockets) socket.destroy();
      });
    });

    it('lets a client send to its end what was refused, and serves it again on the same connection', async () => {
      await using registry = await startEmulatorRegistry();
      const socket = connect(registry.port, '127.0.0.1');
      let answers = '';
      socket.setEncoding('utf8').on('data', (text: string) => (answers += text));
      const size = 30_000_000;
      socket.write(`PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n`);
      await new Promise((resolve) => socket.write(randomBytes(size), resolve));
      socket.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      await once(socket, 'close');
      expect(answers.match(/^HTTP\/1.1 \d+/gm)).to.deep.equal(['HTTP/1.1 413', 'HTTP/1.1 200']);
    });
  });

  describe('when it closes', () => {
    it('ends connections that are kept for reuse', async () => {
      const registry = await startEmulatorRegistry();
      const agent = new Agent({ keepAlive: true });
      const answered = once(request(`${registry.url}/v2/`, { agent }).end(), 'response') as Promise<
        [IncomingMessage]
      >;
      const [response] = await answered;
      const { socket } = response;
      response.resume();
      await once(response, 'end');
      const ended = once(socket, 'close');
      const started = Date.now();
      await registry.stop();
      await ended;
      expect(Date.now() - started).to.be.lessThan(1500);
      agent.destroy();
    });

    it('lets a request that is under way come to its end', async () => {
      const registry = await startEmulatorRegistry();
      const socket = await send(
        registry.port,
        `POST /v2/app/blobs/uploads/?digest=${digestOf('ab')} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\na`,
      );
      await eventually(async () =>
        expect(await readdir(join(registry.dataDir, 'uploads'))).to.have.length(1),
      );
      const stopped = registry.stop();
      socket.write('b');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).to.match(/^HTTP\/1.1 201/);
      await stopped;
    });

    it('does not wait for ever for one that stalls', async () => {
      const registry = await startEmulatorRegistry();
      const location = await beginUpload(registry, 'app');
      const socket = await send(
        registry.port,
        `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx`,
      );
      socket.on('error', () => undefined);
      const started = Date.now();
      await registry.stop();
      expect(Date.now() - started).to.be.lessThan(4000);
    });
  });

  it('is refused a port that is taken, with the mend', async () => {
    await using registry = await startEmulatorRegistry();
    await using folder = await makeTempFolder('port');
    const { port } = registry;
    try {
      await startRegistry({ dataDir: folder.path, port, legacyAccept: false });
      expect.fail('it started');
    } catch (error) {
      expect(error).to.be.instanceOf(DeployerError);
      const { code, message } = error as DeployerError;
      expect([code, message]).to.deep.equal([
        'usage',
        `the registry can't listen on 127.0.0.1:${port}: another program does`,
      ]);
    }
  });

  describe('(memory is read from /proc)', () => {
    requires('linux');

    it('takes and gives a blob of 300 MB in little memory', async function () {
      this.timeout(60_000);
      await using folder = await makeTempFolder('memory');
      await using registry = await startEmulatorRegistryProcess(join(folder.path, 'data'));
      const atRest = await peakMemory(registry.pid);
      const chunk = randomBytes(1_000_000);
      const digester = new Digester();
      const location = await beginUpload(registry, 'app');
      const upload = request(new URL(location, registry.url), { method: 'PATCH' });
      for (let n = 0; n < 300; n++) {
        digester.update(chunk);
        if (!upload.write(chunk)) await once(upload, 'drain');
      }
      upload.end();
      const [{ statusCode }] = (await once(upload, 'response')) as [IncomingMessage];
      expect(statusCode).to.equal(202);
      const digest = digester.digest();
      expect((await ask(registry, 'PUT', `${location}?digest=${digest}`)).status).to.equal(201);
      const pulled = new Digester();
      const download = request(`${registry.url}/v2/app/blobs/${digest}`).end();
      const [response] = (await once(download, 'response')) as [IncomingMessage];
      for await (const bytes of response) pulled.update(bytes as Buffer);
      expect(pulled.digest()).to.equal(digest);
      expect((await peakMemory(registry.pid)) - atRest, 'MB above rest').to.be.lessThan(100);
    });
  });

  describe('on a disk that is full', () => {
    const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
    it(`says so, leaves nothing behind, and goes on${isRoot ? '' : ' (needs root on Linux for a small disk)'}`, async function () {
      if (!isRoot) return this.skip();
      await using folder = await makeTempFolder('full');
      const run = promisify(execFile);
      await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder.path]);
      try {
        const registry = await startEmulatorRegistry({ dataDir: join(folder.path, 'data') });
        const bytes = randomBytes(8_000_000);
        const path = `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`;
        const full = await ask(registry, 'POST', path, { body: bytes });
        expect(full.status).to.equal(500);
        expect(full.bytes.toString()).to.include('ENOSPC');
        expect((await ask(registry, 'HEAD', `/v2/app/blobs/${digestOf(bytes)}`)).status).to.equal(404);
        const digest = await putBlob(registry, 'app', randomBytes(2_000_000));
        expect((await ask(registry, 'HEAD', `/v2/app/blobs/${digest}`)).status).to.equal(200);
        await registry.stop();
      } finally {
        await run('umount', ['--lazy', folder.path]);
      }
    });
  });
});

/** How many files this process has open below a folder. */
async function openFilesUnder(folder: string): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(`${folder}/`)).length;
}

/** The most that a process ever had in memory, in MB. */
async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
