import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../lib/errors.js';
import { framed, GRPC_CODE, GrpcStatus, messagesIn } from './grpc-messages.js';

/** The client's side of gRPC, on a connection that is already there. */
export class GrpcClient implements Disposable {
  readonly #session: ClientHttp2Session;
  readonly #socket: Duplex;

  private constructor(session: ClientHttp2Session, socket: Duplex) {
    this.#session = session;
    this.#socket = socket;
  }

  static async on(socket: Duplex): Promise<GrpcClient> {
    const { connect } = await import('node:http2');
    // A connection that breaks is told by the calls that it carried.
    socket.on('error', () => undefined);
    const session = connect('http://engine', { createConnection: () => socket });
    session.on('error', () => undefined);
    return new GrpcClient(session, socket);
  }

  /**
   * The messages that answer one request. Aborting the signal, or reading no further, ends the call there too.
   * @throws GrpcStatus when the call ends with another code than 0; an Error without one when the connection breaks
   */
  async *call(path: string, request: Uint8Array, signal: AbortSignal): AsyncGenerator<Buffer> {
    const headers = { 'content-type': 'application/grpc', te: 'trailers' };
    const stream = this.#session.request({ ':method': 'POST', ':path': path, ...headers }, { signal });
    const closed = new Promise<void>((resolve) => stream.once('close', resolve));
    let failure: Error | undefined;
    let end: IncomingHttpHeaders | undefined;
    stream.on('error', (error: Error) => (failure = error));
    // A call that fails before its first message has its status where the headers are.
    stream.on('response', (received: IncomingHttpHeaders) => (end = received));
    stream.on('trailers', (received: IncomingHttpHeaders) => (end = received));
    stream.end(framed(request));
    try {
      yield* messagesIn(stream);
      await closed;
    } catch (error) {
      failure ??= new Error(messageOf(error), { cause: error });
    } finally {
      stream.destroy();
    }
    const code = end?.['grpc-status'];
    if (code === '0') return;
    if (typeof code === 'string') throw new GrpcStatus(Number(code), decoded(end?.['grpc-message']));
    throw failure ?? new Error(`${path} ended without a status`);
  }

  /** The one message that answers one request. */
  async callOnce(path: string, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    let answer: Buffer | undefined;
    for await (const message of this.call(path, request, signal)) answer ??= message;
    if (answer !== undefined) return answer;
    throw new GrpcStatus(GRPC_CODE.internal, `${path} was answered with nothing`);
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
    this.#socket.destroy();
  }
}

/** Percent-encoded; what is no such text is taken as it came. */
function decoded(message: string | string[] | undefined): string {
  const text = String(message ?? '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
