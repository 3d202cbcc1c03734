import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../../../lib/errors.js';
import { cleanLine } from '../../../lib/text.js';
import { ApiError } from '../api-error.js';
import type { RequestFault } from '../faults.js';
import { newUlid } from '../ids.js';
import type { Platform } from '../platform.js';
import { RateLimiter } from '../rate-limiter.js';
import { appRoutes } from './app-routes.js';
import { faultRoutes, unimplementedRoutes } from './fault-routes.js';
import { readJson, requireLocal, requireToken } from './gate.js';
import { leaseRoutes } from './lease-routes.js';
import { lifecycleRoutes } from './lifecycle-routes.js';
import { machineRoutes } from './machine-routes.js';
import { metadataRoutes } from './metadata-routes.js';
import { findRoute, type Answer, type Route, type RouteMatch } from './route.js';

export interface MachinesServerOptions {
  readonly token: string;
  /** Fly's rate limits, by which every client must live. */
  readonly rateLimits: boolean;
}

/** Longer than clients keep a connection for reuse: one that the server closes first may be in use already. */
const KEEP_ALIVE_MS = 90_000;

/** The Machines API on loopback. */
export class MachinesServer {
  readonly #platform: Platform;
  readonly #options: MachinesServerOptions;
  readonly #routes: readonly Route[];
  readonly #limiter: RateLimiter;
  readonly #server: Server;

  constructor(platform: Platform, options: MachinesServerOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#limiter = new RateLimiter(platform.ports.clock);
    this.#routes = [
      ...appRoutes(platform),
      ...machineRoutes(platform),
      ...lifecycleRoutes(platform),
      ...leaseRoutes(platform),
      ...metadataRoutes(platform),
      ...faultRoutes(platform.ports.faults),
      ...unimplementedRoutes(),
    ];
    this.#server = createServer(
      { keepAliveTimeout: KEEP_ALIVE_MS },
      (request, response) => void this.#serve(request, response),
    );
  }

  /** @returns the port. Rejects with Node's EADDRINUSE when it is taken */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Stops at once: long polls are cut off. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('fly-request-id', `${newUlid(this.#platform.ports.clock.now())}-emu`);
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    try {
      requireLocal(request);
      requireToken(request, this.#options.token);
      const url = new URL(request.url ?? '/', 'http://localhost');
      const fault = this.#faultFor(request, url.pathname);
      if (fault !== undefined && 'drop' in fault && fault.drop === true) return void request.socket.destroy();
      if (fault !== undefined && 'status' in fault) {
        sendFault(response, fault);
        return;
      }
      if (fault !== undefined && 'delayMs' in fault)
        await this.#platform.ports.clock.sleep(fault.delayMs, gone.signal);
      const answer = await this.#answer(request, url, gone.signal);
      if (fault !== undefined && 'drop' in fault) return void request.socket.destroy();
      send(response, answer);
    } catch (error) {
      if (gone.signal.aborted) return;
      send(response, this.#refusal(error));
    }
  }

  async #answer(request: IncomingMessage, url: URL, signal: AbortSignal): Promise<Answer> {
    const method = request.method ?? 'GET';
    const match = findRoute(this.#routes, method, url.pathname);
    this.#limit(match);
    const nonce = request.headers['fly-machine-lease-nonce'];
    return await match.route.handle({
      params: match.params,
      query: url.searchParams,
      body: await readJson(request),
      nonce: typeof nonce === 'string' && nonce !== '' ? nonce : undefined,
      signal,
    });
  }

  #limit({ route, params }: RouteMatch): void {
    if (!this.#options.rateLimits || route.rate === null) return;
    const subject = [params['app'], params['machine']].join('/');
    if (!this.#limiter.take(`${route.method} ${route.path} ${subject}`, route.rate)) {
      throw new ApiError('resource_exhausted', 'rate limit exceeded');
    }
  }

  // The scripting of faults must not fall to a fault.
  #faultFor(request: IncomingMessage, path: string): RequestFault['answer'] | undefined {
    if (path.startsWith('/_emulator/')) return undefined;
    return this.#platform.ports.faults.forRequest(request.method ?? 'GET', path);
  }

  #refusal(error: unknown): Answer {
    if (error instanceof ApiError) return { status: error.status, body: error.toBody() };
    const message = cleanLine(messageOf(error));
    this.#platform.ports.log(`internal error: ${message}`);
    return { status: 500, body: new ApiError('internal', message).toBody() };
  }
}

function send(response: ServerResponse, answer: Answer): void {
  // A body that was not read (a refusal before it) must not be taken for the next request.
  if (!response.req.complete) response.setHeader('connection', 'close');
  response.statusCode = answer.status;
  if (answer.body === undefined) return void response.end();
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(JSON.stringify(answer.body));
}

function sendFault(
  response: ServerResponse,
  fault: Extract<RequestFault['answer'], { status: number }>,
): void {
  for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value);
  if (typeof fault.body !== 'string') return send(response, { status: fault.status, body: fault.body });
  response.statusCode = fault.status;
  response.end(fault.body);
}
