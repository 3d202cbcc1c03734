import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { cleanText } from '../../lib/text.js';
import type { CheckConfig } from './machine-config.js';

export interface CheckAnswer {
  readonly status: 'passing' | 'critical';
  readonly output: string;
}

/** Characters of an answer that are kept. */
export const OUTPUT_LIMIT = 1024;

// The engine's own proxy accepts a connection before the app does, and closes it at once when nothing listens
// inside: a connection that lives this long has reached the app.
const PROXY_CLOSES_WITHIN_MS = 100;
const CLOSED_AT_ONCE = 'connection refused: nothing listens inside';

/** Connects to a loopback port. Rejects when it is refused, closed at once, or the signal aborts. */
export async function askTcp(port: number, signal: AbortSignal): Promise<CheckAnswer> {
  const socket = connect({ host: '127.0.0.1', port, signal });
  try {
    await once(socket, 'connect', { signal });
    socket.setTimeout(PROXY_CLOSES_WITHIN_MS);
    const event = await Promise.race([
      once(socket, 'timeout', { signal }).then(() => 'open'),
      once(socket, 'data', { signal }).then(() => 'open'),
      once(socket, 'end', { signal }).then(() => 'closed'),
    ]);
    if (event === 'closed') throw new Error(CLOSED_AT_ONCE);
    return { status: 'passing', output: 'connected' };
  } finally {
    socket.destroy();
  }
}

/** Asks a loopback port; 2xx passes. Rejects when there is no answer before the signal aborts. */
export async function askHttp(check: CheckConfig, port: number, signal: AbortSignal): Promise<CheckAnswer> {
  const options = {
    host: '127.0.0.1',
    port,
    path: check.path ?? '/',
    method: (check.method ?? 'GET').toUpperCase(),
    headers: Object.fromEntries((check.headers ?? []).map(({ name, values }) => [name, values])),
    signal,
    // A connection of its own: a kept one could outlive the machine that it was made to.
    agent: false,
  };
  const request =
    check.protocol === 'https'
      ? httpsRequest({
          ...options,
          rejectUnauthorized: check.tls_skip_verify !== true,
          ...(check.tls_server_name === undefined ? {} : { servername: check.tls_server_name }),
        })
      : httpRequest(options);
  // After the response, what breaks is told by its body; `once` no longer listens here.
  request.on('error', () => undefined);
  request.end();
  const response = await responseTo(request);
  const status = response.statusCode ?? 0;
  const output = `${status} ${response.statusMessage ?? ''}\n${await firstCharacters(response)}`;
  return {
    status: status >= 200 && status < 300 ? 'passing' : 'critical',
    output: cleanText(output, OUTPUT_LIMIT),
  };
}

async function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  const asked = performance.now();
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  } catch (error) {
    const closed = hasCode(error, 'ECONNRESET') && performance.now() - asked < PROXY_CLOSES_WITHIN_MS;
    throw closed ? new Error(CLOSED_AT_ONCE, { cause: error }) : error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

async function firstCharacters(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += (chunk as Buffer).toString('utf8');
    if (text.length >= OUTPUT_LIMIT) break;
  }
  return text;
}
