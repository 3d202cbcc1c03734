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
  /** How many were begun to an origin, by whomever. */
  readonly #begun = new Map<string, number>();

  /** @param connect how a connection is made */
  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** Sees to it that so many connections to the origin have been begun. What becomes of them is not told. */
  open(url: URL, count: number): void {
    const { protocol, hostname, host, port } = url;
    const options = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), host, port };
    const key = keyOf(options);
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, waiting);
    for (let begun = this.#begun.get(key) ?? 0; begun < count; begun += 1) {
      const early: Early = {
        opening: new Promise((resolve) => {
          this.#begin(options, (error, socket) => {
            early.outcome = error === null ? { socket } : { error };
            // One that nobody asks for must not keep the process alive.
            if (waiting.includes(early)) socket?.unref();
            resolve(early.outcome);
          });
        }),
      };
      waiting.push(early);
    }
  }

  readonly connect: Connect = (options, callback) => {
    const early = this.#waiting.get(keyOf(options))?.shift();
    if (early === undefined || isPast(early)) {
      this.#begin(options, callback);
      return;
    }
    void early.opening.then((outcome) => {
      if ('error' in outcome) return callback(outcome.error, null);
      outcome.socket.ref();
      callback(null, outcome.socket);
    });
  };

  readonly #begin: Connect = (options, callback) => {
    this.#begun.set(keyOf(options), (this.#begun.get(keyOf(options)) ?? 0) + 1);
    this.#connect(options, callback);
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
