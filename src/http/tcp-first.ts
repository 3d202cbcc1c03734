import { connect as connectTcp, type LookupFunction, type Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { isLoopbackHost } from '../lib/loopback.js';

type Connector = buildConnector.connector;

export interface TcpOptions {
  readonly lookup: LookupFunction;
  /** Milliseconds until TCP's handshake must be done. */
  readonly timeout: number;
}

/** As undici's own connector has it: bytes that are read ahead, milliseconds until TCP asks whether all is well. */
const READ_AHEAD = 64 * 1024;
const KEEP_ALIVE = 60_000;
/**
 * Milliseconds for each but the last address of a name. Node's own 250 are too few for a host at the other end of the
 * world, as it gives the address up for good (RFC 8305 lets the tries go on side by side). On loopback an address that
 * does not answer at once is a server that is busy: the other one, where nothing listens, would be told instead.
 */
const PATIENCE = 1000;

/**
 * Connections whose TCP handshake comes first: undici takes 5 ms of work to load, with node:tls and the authorities 50,
 * which are done while the network is at its own.
 */
export class TcpFirst {
  /** Settled when the first packet is out, or was not to be. */
  readonly #departures = new Set<Promise<void>>();

  /** @param loadTls loads undici's connector for TLS over a socket */
  connector(tcp: TcpOptions, loadTls: () => Promise<Connector>): Connector {
    return (options, callback) => {
      const opening = this.#open(options, tcp);
      const connected =
        options.protocol === 'https:'
          ? this.#underTls(opening, loadTls).then(([connect, httpSocket]) =>
              connect({ ...options, httpSocket }, callback),
            )
          : opening.then((socket) => callback(null, socket));
      connected.catch((error: unknown) => callback(error as Error, null));
    };
  }

  /** When all connections that have been begun are under way: from then on this thread has time to load things. */
  async departed(): Promise<void> {
    await Promise.all(this.#departures);
  }

  async #underTls(
    opening: Promise<Socket>,
    loadTls: () => Promise<Connector>,
  ): Promise<[Connector, httpSocket: Socket]> {
    // Told below, when all is loaded.
    opening.catch(() => undefined);
    try {
      const connect = await this.departed().then(loadTls);
      const httpSocket = await opening;
      if (httpSocket.destroyed) throw lost();
      return [connect, httpSocket];
    } catch (error) {
      void opening.then((socket) => socket.destroy()).catch(() => undefined);
      throw error;
    }
  }

  #open(
    { protocol, hostname, port }: buildConnector.Options,
    { lookup, timeout }: TcpOptions,
  ): Promise<Socket> {
    const options = {
      autoSelectFamilyAttemptTimeout: isLoopbackHost(hostname) ? timeout : PATIENCE,
      ...{ host: hostname, port: Number(port || (protocol === 'https:' ? 443 : 80)), lookup, noDelay: true },
      ...{ highWaterMark: READ_AHEAD, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE },
    };
    const socket = connectTcp(options);
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
