import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { makeTempFolder } from './temp-folder.js';

/** A way to an engine that counts what passes. */
export interface EngineProxy extends AsyncDisposable {
  /** `unix:///...`, as DOCKER_HOST wants it */
  readonly dockerHost: string;
  /** Bytes that clients have sent to the engine, over all connections. */
  sentBytes(): number;
  /** The line of every request so far. */
  begun(): readonly string[];
  /** Of every connection that its client has not ended, the last request. */
  open(): string[];
}

/** Does something before the first request of a kind (`push`, of images) is passed on to the engine. */
export function beforeFirst(
  request: 'tag' | 'push',
  act: () => Promise<unknown>,
): (line: string) => Promise<void> | undefined {
  let isDone = false;
  return async (line) => {
    if (isDone || !new RegExp(`^POST /images/\\S+/${request}\\?`).test(line)) return;
    isDone = true;
    await act();
  };
}

/**
 * Listens on a socket of its own and passes everything on to the engine's, both ways.
 * @param before is told the line of a request (`POST /images/x/push?tag=1 HTTP/1.1`), which is passed on when it ends
 */
export async function startEngineProxy(
  socketPath: string,
  before: (line: string) => Promise<void> | undefined = () => undefined,
): Promise<EngineProxy> {
  const folder = await makeTempFolder('proxy');
  const path = join(folder.path, 'docker.sock');
  const open = new Map<Socket, string>();
  let sent = 0;
  const begun: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.set(client, '');
    const engine = connect({ path: socketPath, allowHalfOpen: true });
    const passOn = async (bytes: Buffer): Promise<Buffer> => {
      sent += bytes.length;
      const [line] = /^[A-Z]+ \S+ HTTP\/1\.1(?=\r\n)/.exec(bytes.toString('latin1')) ?? [];
      if (line === undefined) return bytes;
      begun.push(line);
      open.set(client, line);
      await before(line);
      return bytes;
    };
    client
      .pipe(
        new Transform({
          transform: (bytes: Buffer, _, done) =>
            void passOn(bytes).then(
              (passed) => done(null, passed),
              (error: unknown) => done(error as Error),
            ),
        }),
      )
      .pipe(engine);
    engine.pipe(client);
    // One that dies takes the other with it: an engine learns so of a client that was killed.
    client.on('error', () => engine.destroy()).on('close', () => open.delete(client) && engine.destroy());
    engine.on('error', () => client.destroy()).on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    dockerHost: `unix://${path}`,
    sentBytes: () => sent,
    begun: () => begun,
    open: () => [...open.values()],
    async [Symbol.asyncDispose]() {
      for (const client of open.keys()) client.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await folder.remove();
    },
  };
}
