import { connect as connectTcp, type LookupFunction, type Socket } from 'node:net';
import type { buildConnector } from 'undici';

type Connector = buildConnector.connector;
type Load = () => Promise<Connector>;

export interface TcpOptions {
  readonly lookup: LookupFunction;
  /** Milliseconds until TCP's handshake must be done. */
  readonly timeout: number;
}

/**
 * Connections for TLS whose TCP handshake comes first: undici, node:tls and the authorities take 50 ms of work to load,
 * which are done while the network is at its own.
 */
export class TcpFirst {
  /** Settled when the first packet is out, or was not to be. */
  readonly #departures = new Set<Promise<void>>();

  /** @param load undici's connectors: for plain http, and for TLS over a socket */
  connector(tcp: TcpOptions, load: Readonly<Record<'plain' | 'secure', Load>>): Connector {
    return (options, callback) => {
      this.#connect(options, tcp, load)
        .then(([connect, all]) => connect(all, callback))
        .catch((error: unknown) => callback(error as Error, null));
    };
  }

  /** When all connections that have been begun are under way: from then on this thread has time to load things. */
  async departed(): Promise<void> {
    await Promise.all(this.#departures);
  }

  async #connect(
    options: buildConnector.Options,
    tcp: TcpOptions,
    load: Readonly<Record<'plain' | 'secure', Load>>,
  ): Promise<[Connector, buildConnector.Options]> {
    // Over plain http there is next to nothing to load.
    if (options.protocol !== 'https:') return [await load.plain(), options];
    const opening = this.#open(options, tcp);
    // Told below, when all is loaded.
    opening.catch(() => undefined);
    try {
      const connect = await this.departed().then(load.secure);
      const httpSocket = await opening;
      if (httpSocket.destroyed) throw lost();
      return [connect, { ...options, httpSocket }];
    } catch (error) {
      void opening.then((socket) => socket.destroy()).catch(() => undefined);
      throw error;
    }
  }

  #open({ hostname, port }: buildConnector.Options, { lookup, timeout }: TcpOptions): Promise<Socket> {
    const socket = connectTcp({ host: hostname, port: Number(port || 443), lookup, noDelay: true });
    const departure = new Promise<void>((resolve) => {
      // The packet leaves after this event.
      socket.once('connectionAttempt', () => setImmediate(resolve)).once('close', () => resolve());
    });
    this.#departures.add(departure);
    void departure.then(() => this.#departures.delete(departure));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(timedOut(hostname, timeout)), timeout);
      socket.once('error', reject).once('close', () => clearTimeout(timer));
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve(socket);
      });
    });
  }
}

function timedOut(hostname: string, timeout: number): Error {
  return Object.assign(new Error(`no connection to ${hostname} in ${timeout} ms`), { code: 'ETIMEDOUT' });
}

/** By the far side, while all was loaded. */
function lost(): Error {
  return Object.assign(new Error('the connection was closed before TLS began'), { code: 'ECONNRESET' });
}
