import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';

type Connect = buildConnector.connector;
type Outcome = { readonly socket: Socket } | { readonly error: Error };

interface Early {
  readonly opening: Promise<Outcome>;
  /** Once it is known. */
  outcome?: Outcome;
}

/**
 * Connections that are opened before a request needs them: while a token is fetched, the registry's handshakes are
 * done. `connect` is undici's connector; the first connection that it is asked for to an origin is the early one.
 */
export class EarlyConnections {
  readonly #connect: Connect;
  readonly #waiting = new Map<string, Early[]>();

  /** @param connect how a connection is made */
  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** Begins a connection. What comes of it, and whether anyone asks for it, is no concern of the caller. */
  open(url: URL): void {
    const { protocol, hostname, host, port } = url;
    const options = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), host, port };
    const waiting = this.#waiting.get(keyOf(options)) ?? [];
    const early: Early = {
      opening: new Promise((resolve) => {
        this.#connect(options, (error, socket) => {
          early.outcome = error === null ? { socket } : { error };
          // One that nobody asks for must not keep the process alive.
          if (waiting.includes(early)) socket?.unref();
          resolve(early.outcome);
        });
      }),
    };
    waiting.push(early);
    this.#waiting.set(keyOf(options), waiting);
  }

  readonly connect: Connect = (options, callback) => {
    const early = this.#waiting.get(keyOf(options))?.shift();
    if (early === undefined || isPast(early)) {
      this.#connect(options, callback);
      return;
    }
    void early.opening.then((outcome) => {
      if ('error' in outcome) return callback(outcome.error, null);
      outcome.socket.ref();
      callback(null, outcome.socket);
    });
  };

  close(): void {
    for (const { opening } of [...this.#waiting.values()].flat()) {
      void opening.then((outcome) => 'socket' in outcome && outcome.socket.destroy());
    }
    this.#waiting.clear();
  }
}

/** It failed, or was closed by the far side, while it waited: a new one may do better. */
function isPast({ outcome }: Early): boolean {
  return outcome !== undefined && ('error' in outcome || !outcome.socket.writable);
}

function keyOf({
  protocol,
  host,
}: {
  readonly protocol: string;
  readonly host?: string | undefined;
}): string {
  return `${protocol}//${host}`;
}
