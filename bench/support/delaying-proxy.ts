import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface DelayingProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections since the last `reset`. */
  connections(): number;
  reset(): void;
}

/**
 * A TCP proxy that makes the way to a server as long as one over a wide network, and counts connections. TLS passes
 * through: its handshake costs the round trips that it costs there.
 * @param target `127.0.0.1:PORT`
 * @param roundTripMs of each exchange, and of TCP's handshake
 */
export async function startDelayingProxy(target: string, roundTripMs: number): Promise<DelayingProxy> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ noDelay: true }, (near) => {
    connections += 1;
    const [host = '', port] = target.split(':');
    const far = connect({ host, port: Number(port), noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    // The system has accepted at once; over the network the client would know only a round trip later.
    passOn(near, far, roundTripMs / 2, performance.now() + roundTripMs);
    passOn(far, near, roundTripMs / 2);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    connections: () => connections,
    reset: () => (connections = 0),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Each piece arrives so much later than it was sent, and none was sent before `notBefore`. */
function passOn(from: Socket, to: Socket, delayMs: number, notBefore = 0): void {
  // Timers of nearly the same time may come in another order than they were set in.
  const onTheWay: (() => void)[] = [];
  const later = (deliver: () => void): void => {
    const now = performance.now();
    onTheWay.push(deliver);
    setTimeout(() => onTheWay.shift()?.(), Math.max(now, notBefore) + delayMs - now);
  };
  from.on('data', (chunk: Buffer) => later(() => to.write(chunk)));
  from.on('end', () => later(() => to.end()));
}
