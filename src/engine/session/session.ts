import { randomBytes } from 'node:crypto';
import type { Engine } from '../engine.js';
import { serveGrpc, type GrpcMethods } from './grpc-server.js';

/** BuildKit's way back to its client: while it is open, a build may ask for files, credentials and secrets. */
export interface Session extends AsyncDisposable {
  readonly id: string;
}

export interface SessionOptions {
  readonly methods: GrpcMethods;
  /**
   * The same for the same context, from one build to the next: what the engine kept of its files is found again by
   * it.
   */
  readonly sharedKey: string;
  readonly signal: AbortSignal;
}

/** POST /session: the connection is turned around, and this side serves gRPC on it. */
export async function openSession(
  engine: Engine,
  { methods, sharedKey, signal }: SessionOptions,
): Promise<Session> {
  const id = randomBytes(16).toString('hex');
  const socket = await engine.hijack({
    path: '/session',
    headers: {
      Upgrade: 'h2c',
      'X-Docker-Expose-Session-Uuid': id,
      'X-Docker-Expose-Session-Name': 'deployer',
      'X-Docker-Expose-Session-Sharedkey': sharedKey,
      'X-Docker-Expose-Session-Grpc-Method': Object.keys(methods),
    },
    signal,
  });
  const connection = await serveGrpc(socket, methods);
  return {
    id,
    async [Symbol.asyncDispose]() {
      connection.close();
      await connection.closed;
    },
  };
}
