import { setMaxListeners } from 'node:events';
import { Engine, type EngineRequest } from '../../engine/engine.js';
import { Upload } from '../../engine/upload.js';
import { withDeadline } from '../../lib/deadline.js';
import { DeployerError } from '../../lib/errors.js';
import { formatDuration } from '../../lib/duration.js';

/** Far longer than an engine takes that is at work. */
const ANSWER_MS = 30_000;

export type Question = Omit<EngineRequest, 'signal' | 'body'> & {
  readonly json?: object;
  readonly signal?: AbortSignal;
  /** Milliseconds; half a minute unless told. */
  readonly withinMs?: number;
};

/** An engine that may crash, hang or be restarted at any moment: no question to it waits without an end. */
export class BoundedEngine {
  readonly #engine: Engine;
  readonly #closed = new AbortController();

  constructor(docker: ConstructorParameters<typeof Engine>[0]) {
    this.#engine = new Engine(docker);
    // Every question that is open listens to it, one a machine at least: no number of them is a leak.
    setMaxListeners(0, this.#closed.signal);
  }

  /** Aborted by `close`. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * The document that it answers.
   * @throws EngineRefusal; DeployerError `engine_unavailable` when it can't be reached, breaks off or is too late
   */
  async ask(question: Question): Promise<unknown> {
    return this.#within(question, (request) => this.#engine.json(request));
  }

  /** As `ask`, for an answer that is no document. */
  async bytes(question: Question): Promise<Buffer> {
    return this.#within(question, (request) => this.#engine.bytes(request));
  }

  /** How a container ended. It takes as long as that takes: `close` alone ends the question before. */
  async untilEnded(container: string): Promise<unknown> {
    const path = `/containers/${container}/wait`;
    return this.#engine.json({ method: 'POST', path, signal: this.closed });
  }

  /** Reads an answer as it comes. */
  async follow(
    question: Question & { readonly withinMs: number },
    read: (answer: Awaited<ReturnType<Engine['stream']>>) => Promise<void>,
  ): Promise<void> {
    return this.#within(question, async (request) => read(await this.#engine.stream(request)));
  }

  /** Nobody waits for it any more: all that is open is broken off. */
  close(): void {
    this.#closed.abort(new DeployerError('interrupted', 'the emulator is closing'));
  }

  async #within<T>(
    { withinMs = ANSWER_MS, signal, json, ...rest }: Question,
    ask: (request: EngineRequest) => Promise<T>,
  ): Promise<T> {
    const asked = `${rest.method ?? 'GET'} ${rest.path}`;
    const outer = signal === undefined ? this.closed : AbortSignal.any([this.closed, signal]);
    const late = (): DeployerError => tooLate(asked, withinMs);
    return withDeadline({ ms: withinMs, late, signal: outer }, (end) =>
      ask({ ...rest, ...(json === undefined ? {} : asBody(json)), signal: end }),
    );
  }
}

/** The engine is not there, for now; it did not refuse what it was asked. */
export function isEngineAway(error: unknown): boolean {
  return error instanceof DeployerError && error.code === 'engine_unavailable';
}

function asBody(document: object): Pick<EngineRequest, 'headers' | 'body'> {
  return {
    headers: { 'Content-Type': 'application/json' },
    body: new Upload((write) => write(Buffer.from(JSON.stringify(document)))),
  };
}

function tooLate(asked: string, withinMs: number): DeployerError {
  const message = `the Docker Engine did not answer within ${formatDuration(withinMs)}`;
  return new DeployerError('engine_unavailable', message, {
    evidence: [asked],
    suggestions: ["look at the engine's log, and try again: journalctl -u docker"],
  });
}
