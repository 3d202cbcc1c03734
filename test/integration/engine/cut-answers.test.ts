import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import Docker from 'dockerode';
import { Engine, EngineRefusal } from '../../../src/engine/engine.js';
import { makeTempFolder } from '../../support/temp-folder.js';

describe('an answer of an engine', () => {
  it('that is cut off is an error, however much of it has arrived', async () => {
    await using folder = await makeTempFolder('cut');
    const socketPath = join(folder.path, 'engine.sock');
    // As `wait` answers: its status at once, its document when the container has ended.
    const server = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(request.url === '/half' ? '{"StatusCode":' : '\n', () => request.socket.destroy());
    }).listen(socketPath);
    await once(server, 'listening');
    const engine = new Engine(new Docker({ socketPath }));
    const { signal } = new AbortController();
    try {
      for (const path of ['/half', '/blank']) {
        const error: unknown = await engine.json({ path, signal }).catch((thrown: unknown) => thrown);
        expect(error).to.include({ code: 'engine_unavailable' });
      }
    } finally {
      server.close();
    }
  });

  it('that is larger than any document of an engine is broken off: its documents, and its refusals', async () => {
    await using folder = await makeTempFolder('large');
    const socketPath = join(folder.path, 'engine.sock');
    const MIB = 1024 * 1024;
    let sent = 0;
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/refused' ? 500 : 200, { 'content-type': 'application/json' });
      const piece = Buffer.alloc(MIB, 'a');
      async function* endless(): AsyncGenerator<Buffer> {
        yield Buffer.from('"');
        for (sent = 0; sent < 128; sent += 1) yield await Promise.resolve(piece);
        yield Buffer.from('"');
      }
      pipeline(endless(), response).catch(() => undefined);
    }).listen(socketPath);
    await once(server, 'listening');
    const engine = new Engine(new Docker({ socketPath }));
    const { signal } = new AbortController();
    try {
      const document: unknown = await engine
        .json({ path: '/info', signal })
        .catch((thrown: unknown) => thrown);
      expect(document).to.include({ code: 'engine_unavailable' });
      expect(document).to.have.property('evidence').that.deep.equals(['GET /info: more than 67.1 MB']);
      expect(sent, 'MiB').to.be.within(64, 100);
      const refusal: unknown = await engine
        .json({ path: '/refused', signal })
        .catch((thrown: unknown) => thrown);
      expect(refusal).to.be.instanceOf(EngineRefusal).and.include({ status: 500 });
      expect(refusal)
        .to.have.property('message')
        .that.matches(/^"a{900}/);
      expect(sent, 'MiB').to.be.below(64);
    } finally {
      server.close();
    }
  });

  it("that is no document is no engine's: DOCKER_HOST may name a web server", async () => {
    await using folder = await makeTempFolder('page');
    const socketPath = join(folder.path, 'engine.sock');
    const server = createServer((_, response) => response.end('<html>hello</html>')).listen(socketPath);
    await once(server, 'listening');
    try {
      const { signal } = new AbortController();
      const asking = new Engine(new Docker({ socketPath })).json({ path: '/version', signal });
      const error: unknown = await asking.catch((thrown: unknown) => thrown);
      expect(error).to.include({ code: 'engine_unavailable' });
      expect(error).to.have.property('evidence').that.deep.equals(['GET /version: <html>hello</html>']);
    } finally {
      server.close();
    }
  });
});
