import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { DeployerError, messageOf } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Upload } from './upload.js';

export interface EngineRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Upload;
  readonly signal: AbortSignal;
}

/** An answer of the engine's that is no success. */
export class EngineRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'EngineRefusal';
    this.status = status;
  }
}

/**
 * The Docker Engine API as builds and pushes use it: requests that last, streams in both directions, connections
 * that are taken over. dockerode's modem carries them, which knows every way to an engine; its helpers on top lose
 * errors (a failed build is no failure to them) and sessions.
 */
export class Engine {
  readonly docker: Docker;
  readonly #modem: Modem;

  constructor(docker: Docker) {
    this.docker = docker;
    this.#modem = docker.modem as Modem;
  }

  /**
   * An answer's document; undefined where it has none.
   * @throws EngineRefusal; DeployerError `engine_unavailable` when the connection breaks, or what answers is no engine
   */
  async json(request: EngineRequest): Promise<unknown> {
    const text = (await this.bytes(request)).toString();
    if (text === '') return undefined;
    try {
      return JSON.parse(text);
    } catch (error) {
      throw noDocument(text, `${request.method ?? 'GET'} ${request.path}`, error);
    }
  }

  /**
   * An answer as it is. Read here: the modem waits for ever for the rest of an answer that is cut off.
   * @throws as `json`
   */
  async bytes(request: EngineRequest): Promise<Buffer> {
    const { method = 'GET', path, signal } = request;
    const answer = await this.stream(request);
    return buffer(answer).catch((error: unknown) => {
      throw asRefusal(error as ModemError, `${method} ${path}`, signal);
    });
  }

  /** The answer as it comes. Destroying it ends the request, and what the engine does for it. */
  async stream(request: EngineRequest): Promise<IncomingMessage> {
    return (await this.#dial(request, { isStream: true })) as IncomingMessage;
  }

  /** POST, answered with 101: the connection is the caller's from then on. */
  async hijack(request: Omit<EngineRequest, 'method' | 'body'>): Promise<Duplex> {
    // The signal stays out: it would destroy a connection that is no longer the request's.
    const { signal, ...rest } = request;
    signal.throwIfAborted();
    return (await this.#dial({ ...rest, method: 'POST' }, { isStream: true, hijack: true })) as Duplex;
  }

  #dial(
    {
      method = 'GET',
      path,
      query = {},
      headers = {},
      body,
      signal,
    }: Partial<EngineRequest> & { path: string },
    mode: Pick<DialOptions, 'isStream' | 'hijack'>,
  ): Promise<unknown> {
    const options: DialOptions = {
      method,
      path: `${path}${queryOf(query)}`,
      // The modem adds its own to the object that it is given.
      headers: { ...headers },
      statusCodes: SUCCESS,
      ...mode,
      ...(body === undefined ? {} : { file: body }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    };
    return new Promise((resolve, reject) => {
      this.#modem.dial(options, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(asRefusal(error, `${method} ${path}`, signal));
      });
    });
  }
}

/** docker-modem, as far as it is used here; its types know it as `any`. */
interface Modem {
  dial(options: DialOptions, callback: (error: ModemError | null, answer: unknown) => void): void;
}

interface DialOptions {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string | readonly string[]>;
  readonly statusCodes: Readonly<Record<number, true>>;
  readonly isStream: boolean;
  readonly hijack?: boolean;
  readonly file?: Upload;
  readonly abortSignal?: AbortSignal;
}

interface ModemError extends Error {
  readonly statusCode?: number;
}

const SUCCESS = { 200: true, 201: true, 204: true } as const;

// The modem cuts the last letter off a path that holds `?` and has no options: there is always a `&` for it.
function queryOf(query: NonNullable<EngineRequest['query']>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === 'string' ? [value] : value) parameters.append(name, one);
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}&`;
}

function asRefusal(error: ModemError, asked: string, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error.statusCode !== undefined) {
    const message = error.message.replace(/^\(HTTP code \d+\) \S+ - /, '').trim();
    return new EngineRefusal(error.statusCode, cleanLine(message, 1000));
  }
  return engineLost(error, asked);
}

function noDocument(text: string, asked: string, cause: unknown): DeployerError {
  return new DeployerError('engine_unavailable', 'what answers in the place of the Docker Engine is none', {
    evidence: [`${asked}: ${cleanLine(text, 200)}`],
    suggestions: ['check where it listens: DOCKER_HOST, docker context ls'],
    cause,
  });
}

/** @param asked `POST /build`, for the evidence */
export function engineLost(error: unknown, asked: string): DeployerError {
  return new DeployerError('engine_unavailable', 'the connection to the Docker Engine broke', {
    evidence: [`${asked}: ${cleanLine(messageOf(error))}`],
    suggestions: ["look at the engine's log, and try again: journalctl -u docker"],
    cause: error,
  });
}
