import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { makeTempFolder } from './temp-folder.js';

/** A way to an engine that counts what passes. */
export interface EngineProxy extends AsyncDisposable {
  /** `unix:///...`, as DOCKER_HOST wants it */
  readonly dockerHost: string;
  /** Bytes that clients have sent to the engine, over all connections. */
  sentBytes(): number;
  /** Connections that were made so far. */
  connections(): number;
  /** Those of them that the client has not ended: by kind, the request line each began with. */
  open(): string[];
}

/** Listens on a socket of its own and passes everything on to the engine's, both ways. */
export async function startEngineProxy(socketPath: string): Promise<EngineProxy> {
  const folder = await makeTempFolder('proxy');
  const path = join(folder.path, 'docker.sock');
  const open = new Map<Socket, string>();
  let sent = 0;
  let connections = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    connections += 1;
    open.set(client, '');
    const engine = connect({ path: socketPath, allowHalfOpen: true });
    client.on('data', (bytes: Buffer) => {
      sent += bytes.length;
      if (open.get(client) === '') open.set(client, bytes.toString('latin1').split('\r\n')[0] ?? '');
    });
    client.pipe(engine);
    engine.pipe(client);
    // One that dies takes the other with it: an engine learns so of a client that was killed.
    client.on('error', () => engine.destroy()).on('close', () => open.delete(client) && engine.destroy());
    engine.on('error', () => client.destroy()).on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    dockerHost: `unix://${path}`,
    sentBytes: () => sent,
    connections: () => connections,
    open: () => [...open.values()],
    async [Symbol.asyncDispose]() {
      for (const client of open.keys()) client.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await folder.remove();
    },
  };
}
