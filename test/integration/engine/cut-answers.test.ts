import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import Docker from 'dockerode';
import { Engine } from '../../../src/engine/engine.js';
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
