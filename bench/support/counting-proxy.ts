import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';

export interface CountingProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Since the last `reset`. */
  counts(): { readonly connections: number; readonly requests: readonly string[] };
  reset(): void;
}

/**
 * A TCP proxy in front of an HTTP server: counts connections and requests, and makes the way as long as one over a
 * network.
 * @param target `127.0.0.1:PORT`
 * @param roundTripMs added to each round trip, and to each new connection
 */
export async function startCountingProxy(target: string, roundTripMs = 0): Promise<CountingProxy> {
  const [host = '', port] = target.split(':');
  const sockets = new Set<Socket>();
  let connections = 0;
  let requests: string[] = [];
  const server = createServer({ noDelay: true }, (near) => {
    connections += 1;
    const far = connect({ host, port: Number(port), noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    near.on('data', (chunk: Buffer) => {
      requests.push(...(chunk.toString('latin1').match(/^[A-Z]+ \S+(?= HTTP\/1\.1\r$)/gm) ?? []));
    });
    // A new connection costs one round trip (TCP's handshake), a request the other.
    near.pipe(delayed(roundTripMs / 2, roundTripMs)).pipe(far);
    far.pipe(delayed(roundTripMs / 2)).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts: () => ({ connections, requests }),
    reset: () => {
      connections = 0;
      requests = [];
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function delayed(ms: number, extraForFirst = 0): Transform {
  let first = true;
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      setTimeout(() => done(null, chunk), ms + (first ? extraForFirst : 0));
      first = false;
    },
  });
}
