import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What the proxy does with one exchange instead of passing it on. */
export type Fault =
  /** Answers by itself; the registry sees nothing. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Passes this many bytes of the request's body on, then breaks both connections. */
  | { readonly kind: 'cut-request'; readonly afterBytes: number }
  /** Passes the request on, then breaks the connection instead of answering. */
  | { readonly kind: 'lose-answer' }
  /** Passes this many bytes of the answer's body back, then breaks the connection. */
  | { readonly kind: 'cut-answer'; readonly afterBytes: number }
  /** Takes the body in, a chunk now and then; the registry sees nothing of it. */
  | { readonly kind: 'slow' }
  /** Never answers. */
  | { readonly kind: 'silent' }
  /** Changes what the registry answers. */
  | {
      readonly kind: 'change';
      readonly headers?: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
      readonly body?: (bytes: Buffer) => Buffer;
    };

/** A request as it came to the proxy. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the request's body that arrived. */
  readonly bodyBytes: number;
  /** What was answered; 0 when nothing was. */
  readonly status: number;
  /** The client went away before it had its answer. */
  readonly isLeft: boolean;
  readonly fault: Fault['kind'] | undefined;
}

export interface FaultyProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  /** All exchanges so far, in the order in which they began. */
  readonly exchanges: readonly Exchange[];
  /** Decides from now on. `count` is 1 for the first request it sees. */
  script(decide: Script): void;
  stop(): Promise<void>;
}

export type Script = (
  request: { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders },
  count: number,
) => Fault | undefined;

/** A reverse proxy on loopback in front of a real registry, which does what its script says to single exchanges. */
export async function startFaultyProxy(
  target: { readonly host: string },
  decide: Script = () => undefined,
): Promise<FaultyProxy> {
  const exchanges: Mutable[] = [];
  let script = decide;
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    const { method = '', url = '', headers } = request;
    const fault = script({ method, url, headers }, count);
    const record: Mutable = {
      method,
      url,
      headers,
      bodyBytes: 0,
      status: 0,
      isLeft: false,
      fault: fault?.kind,
    };
    exchanges.push(record);
    request.on('data', (chunk: Buffer) => (record.bodyBytes += chunk.length));
    request.on('error', () => response.destroy());
    response.on('close', () => (record.isLeft = !response.writableFinished));
    exchange({ request, response, record, fault, target });
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    ...{ host, url: `http://${host}`, exchanges },
    script(next) {
      script = next;
      count = 0;
    },
    ...{ stop, [Symbol.asyncDispose]: stop },
  };
}

type Mutable = { -readonly [Key in keyof Exchange]: Exchange[Key] };

interface Handling {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: Mutable;
  readonly fault: Fault | undefined;
  readonly target: { readonly host: string };
}

function exchange(handling: Handling): void {
  const { request, response, record, fault } = handling;
  if (fault?.kind === 'silent') {
    request.resume();
  } else if (fault?.kind === 'slow') {
    request.on('data', () => {
      request.pause();
      setTimeout(() => request.resume(), 20);
    });
  } else if (fault?.kind === 'answer') {
    record.status = fault.status;
    // Read first: an early answer to a body is another fault than the one that is meant.
    request.resume().on('end', () => response.writeHead(fault.status, fault.headers).end(fault.body ?? ''));
  } else if (fault?.kind === 'cut-request') {
    cutRequest(handling, fault.afterBytes);
  } else {
    const onward = forward(handling, (answer) => {
      giveBack(handling, answer).catch(() => response.destroy());
    });
    request.pipe(onward);
  }
}

function forward({ request, response, target }: Handling, onAnswer: (answer: IncomingMessage) => void) {
  const [host, port] = target.host.split(':');
  const { method, url: path, headers } = request;
  const onward = httpRequest({ host, port, method, path, headers, agent: false }, onAnswer);
  onward.on('error', () => response.destroy());
  response.on('close', () => {
    if (!response.writableFinished) onward.destroy();
  });
  return onward;
}

function cutRequest(handling: Handling, afterBytes: number): void {
  const { request } = handling;
  const onward = forward(handling, (answer) => answer.resume());
  onward.flushHeaders();
  let passed = 0;
  const cut = (): void => {
    onward.destroy();
    request.socket.destroy();
  };
  request.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, afterBytes - passed);
    passed += part.length;
    // Gone only when the registry has the bytes: it counts what it has read.
    onward.write(part, () => {
      if (passed >= afterBytes) setTimeout(cut, 20);
    });
    if (passed >= afterBytes) request.pause();
  });
  request.on('end', () => setTimeout(cut, 20));
}

async function giveBack(
  { request, response, record, fault }: Handling,
  answer: IncomingMessage,
): Promise<void> {
  if (fault?.kind === 'lose-answer') {
    await buffer(answer);
    request.socket.destroy();
    return;
  }
  record.status = answer.statusCode ?? 0;
  if (fault?.kind === 'change') {
    const bytes = await buffer(answer);
    const body = fault.body?.(bytes) ?? bytes;
    const headers = {
      ...answer.headers,
      ...(request.method === 'HEAD' ? {} : { 'content-length': String(body.length) }),
    };
    response.writeHead(record.status, fault.headers?.(headers) ?? headers).end(body);
    return;
  }
  response.writeHead(record.status, answer.headers);
  if (fault?.kind !== 'cut-answer') {
    // Broken on the far side, broken on this one.
    answer.on('error', () => request.socket.destroy()).pipe(response);
    return;
  }
  let left = fault.afterBytes;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    await new Promise<void>((resolve) => response.write(part, () => resolve()));
    if (left === 0) break;
  }
  request.socket.destroy();
}
