import { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type Docker from 'dockerode';
import { DeployerError, messageOf } from '../lib/errors.js';
import { formatSize } from '../lib/size.js';
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

/** bytes; documents are small, and logs are asked for by their last lines */
const ANSWER_LIMIT = 64 * 1024 * 1024;
/** bytes, of which a line is told */
const REFUSAL_LIMIT = 1024 * 1024;

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
      throw noEngine(`${askedBy(request)}: ${cleanLine(text, 200)}`, error);
    }
  }

  /**
   * An answer as it is. Read here: the modem waits for ever for the rest of an answer that is cut off, and reads one
   * without end.
   * @throws as `json`
   */
  async bytes(request: EngineRequest): Promise<Buffer> {
    const { bytes, isWhole } = await readUpTo(ANSWER_LIMIT, await this.stream(request), request);
    if (isWhole) return bytes;
    throw noEngine(`${askedBy(request)}: more than ${formatSize(ANSWER_LIMIT)}`);
  }

  /**
   * The answer as it comes. Destroying it ends the request, and what the engine does for it.
   * @throws EngineRefusal; DeployerError `engine_unavailable`
   */
  async stream(request: EngineRequest): Promise<IncomingMessage> {
    const answer = (await this.#dial(request, { isStream: true })) as IncomingMessage;
    if (SUCCESS.has(answer.statusCode ?? 0)) return answer;
    throw await refusalIn(answer, request);
  }

  /** POST, answered with 101: the connection is the caller's from then on. */
  async hijack(request: Omit<EngineRequest, 'method' | 'body'>): Promise<Duplex> {
    // The signal stays out: it would destroy a connection that is no longer the request's.
    const { signal, ...rest } = request;
    signal.throwIfAborted();
    const taken = await this.#dial({ ...rest, method: 'POST' }, { isStream: true, hijack: true });
    if (taken instanceof IncomingMessage) throw await refusalIn(taken, { ...request, method: 'POST' });
    return taken as Duplex;
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
      statusCodes: EVERY_STATUS,
      ...mode,
      ...(body === undefined ? {} : { file: body }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    };
    return new Promise((resolve, reject) => {
      this.#modem.dial(options, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(brokenOff(error, `${method} ${path}`, signal));
      });
    });
  }
}

/** docker-modem, as far as it is used here; its types know it as `any`. */
interface Modem {
  dial(options: DialOptions, callback: (error: Error | null, answer: unknown) => void): void;
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

/** The modem would read a refusal to its end, however far that is. */
const EVERY_STATUS: Readonly<Record<number, true>> = Object.fromEntries(
  Array.from({ length: 900 }, (_, index) => [100 + index, true]),
);
const SUCCESS: ReadonlySet<number> = new Set([200, 201, 204]);

// The modem cuts the last letter off a path that holds `?` and has no options: there is always a `&` for it.
function queryOf(query: NonNullable<EngineRequest['query']>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === 'string' ? [value] : value) parameters.append(name, one);
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}&`;
}

/** What of an answer is within the limit; the rest is not waited for. */
async function readUpTo(
  limit: number,
  answer: Readable,
  request: Asked & { readonly signal: AbortSignal },
): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > limit) break;
    }
  } catch (error) {
    throw brokenOff(error, askedBy(request), request.signal);
  }
  return { bytes: Buffer.concat(chunks), isWhole: size <= limit };
}

async function refusalIn(
  answer: IncomingMessage,
  request: Asked & { readonly signal: AbortSignal },
): Promise<EngineRefusal> {
  const { bytes } = await readUpTo(REFUSAL_LIMIT, answer, request);
  return new EngineRefusal(answer.statusCode ?? 0, cleanLine(saidIn(bytes.toString()), 1000));
}

/** Docker's refusals have a `message`; Podman's have a `cause` beside it, which says less. */
function saidIn(text: string): string {
  try {
    const document: unknown = JSON.parse(text);
    const { message, error } = Object(document) as { readonly message?: unknown; readonly error?: unknown };
    return typeof message === 'string' ? message : typeof error === 'string' ? error : text;
  } catch {
    return text;
  }
}

type Asked = Pick<EngineRequest, 'method' | 'path'>;

/** `GET /info` */
function askedBy({ method = 'GET', path }: Asked): string {
  return `${method} ${path}`;
}

function noEngine(evidence: string, cause?: unknown): DeployerError {
  return new DeployerError('engine_unavailable', 'what answers in the place of the Docker Engine is none', {
    evidence: [evidence],
    suggestions: ['check where it listens: DOCKER_HOST, docker context ls'],
    cause,
  });
}

function brokenOff(error: unknown, asked: string, signal: AbortSignal | undefined): unknown {
  return signal?.aborted === true ? signal.reason : engineLost(error, asked);
}

/** @param asked `POST /build`, for the evidence */
export function engineLost(error: unknown, asked: string): DeployerError {
  return new DeployerError('engine_unavailable', 'the connection to the Docker Engine broke', {
    evidence: [`${asked}: ${cleanLine(messageOf(error))}`],
    suggestions: ["look at the engine's log, and try again: journalctl -u docker"],
    cause: error,
  });
}
