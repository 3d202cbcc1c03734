import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import Docker from 'dockerode';
import { Engine, EngineRefusal } from '../../../src/engine/engine.js';
import { Upload } from '../../../src/engine/upload.js';
import { eventually } from '../../support/eventually.js';
import { makeTempFolder } from '../../support/temp-folder.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A server in an engine's place: what it does with a body, none of the real ones can be told to do. */
async function withEngine(answer: Answer, test: (engine: Engine) => Promise<void>): Promise<void> {
  await using folder = await makeTempFolder('upload');
  const socketPath = join(folder.path, 'engine.sock');
  const server = createServer((request, response) => void answer(request, response));
  server.listen(socketPath);
  await once(server, 'listening');
  try {
    await test(new Engine(new Docker({ socketPath })));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const asked = { method: 'POST', path: '/build' } as const;
const PIECES = 200;

describe('an upload to an engine', () => {
  it('arrives as it was, however slowly it is read, though its writer has one piece of memory for all', async () => {
    const [sent, received] = [createHash('sha256'), createHash('sha256')];
    const slowly: Answer = async (request, response) => {
      for await (const chunk of request) {
        received.update(chunk as Buffer);
        if (Math.random() < 0.05) await setTimeout(5);
      }
      response.end('{}');
    };
    const memory = Buffer.alloc(64 * 1024);
    const body = new Upload(async (write) => {
      for (let piece = 0; piece < PIECES; piece += 1) {
        sent.update(randomFillSync(memory));
        await write(memory);
      }
    });
    await withEngine(slowly, async (engine) => {
      await engine.json({ ...asked, body, signal: new AbortController().signal });
    });
    expect(received.digest('hex')).to.equal(sent.digest('hex'));
  });

  it('is given up when the engine has answered, or its request has ended, and keeps nobody waiting', async () => {
    const ends: string[] = [];
    const endless = (): Upload => {
      const body = new Upload(async (write) => {
        try {
          for (;;) await write(Buffer.alloc(64 * 1024));
        } catch (error) {
          ends.push(String(error));
          throw error;
        }
      });
      return body;
    };
    const unread: Answer = async (_, response) => {
      response.writeHead(400).end('{"message":"no such Dockerfile"}');
    };
    await withEngine(unread, async (engine) => {
      const body = endless();
      const asking = engine.stream({ ...asked, body, signal: new AbortController().signal });
      const error = await asking.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(EngineRefusal);
      expect(ends).to.deep.equal([]);
      body.destroy();
      await eventually(() => expect(ends).to.deep.equal(['Error: the request has ended']));
    });
    const stop = new AbortController();
    const stopped = new Engine(new Docker({ socketPath: '/nowhere/engine.sock' })).stream({
      ...{ ...asked, body: endless(), signal: stop.signal },
    });
    const failure = await stopped.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(String(failure)).to.match(/connection to the Docker Engine broke/);
    await eventually(() => expect(ends).to.have.length(2));
  });

  it('breaks the request off when its writer fails', async () => {
    const closed: boolean[] = [];
    const until: Answer = async (request) => {
      request.on('error', () => undefined).on('close', () => closed.push(request.complete));
      request.resume();
    };
    await withEngine(until, async (engine) => {
      const body = new Upload(async (write) => {
        await write(Buffer.alloc(64 * 1024));
        throw new Error('a file has changed');
      });
      const asking = engine.stream({ ...asked, body, signal: new AbortController().signal });
      const error = await asking.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.have.nested.property('cause.message', 'a file has changed');
      await eventually(() => expect(closed).to.deep.equal([false]));
    });
  });
});
