import type Docker from 'dockerode';
import { EngineRefusal } from '../../engine/engine.js';
import { endsWithin, systemClock } from '../../lib/clock.js';
import { DeployerError } from '../../lib/errors.js';
import { cleanText } from '../../lib/text.js';
import type { Exit } from '../machines/machine.js';
import { isEngineAway, type BoundedEngine, type Question } from './bounded-engine.js';
import { listenSocketsOf } from './listen-sockets.js';
import type { Instance, ProcessStat } from './runtime.js';

/** SIGKILL needs no longer, unless the engine hangs. */
const KILLED_MS = 10_000;
/** The exit code of a process that SIGKILL ended. */
const KILLED = 137;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

/** A machine's process as a container. */
export class ContainerInstance implements Instance {
  readonly ports: ReadonlyMap<number, number>;
  readonly exit: Promise<Exit>;
  readonly #engine: BoundedEngine;
  readonly #id: string;

  constructor(engine: BoundedEngine, id: string, ports: ReadonlyMap<number, number>) {
    this.#engine = engine;
    this.#id = id;
    this.ports = ports;
    this.exit = this.#waitForExit();
  }

  async stop(signal: string, timeoutMs: number): Promise<void> {
    await this.signal(signal);
    if (await endsWithin(systemClock, timeoutMs, this.exit)) return;
    await this.signal('SIGKILL').catch(() => this.remove());
    if (await endsWithin(systemClock, KILLED_MS, this.exit)) return;
    throw new DeployerError('engine_unavailable', 'the Docker Engine does not end its container', {
      evidence: [`container ${this.#id}`],
    });
  }

  async signal(signal: string): Promise<void> {
    try {
      await this.#order('kill', { signal });
    } catch (error) {
      // 404: already removed. 409: it has ended, and has nothing to be told.
      if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    }
  }

  suspend(): Promise<void> {
    return this.#order('pause');
  }

  resume(): Promise<void> {
    return this.#order('unpause');
  }

  async processes(): Promise<readonly ProcessStat[]> {
    const query = { ps_args: '-o pid,rss,args' };
    const table = (await this.#engine.ask({ path: this.#path('top'), query })) as { Processes?: string[][] };
    const stats = (table.Processes ?? []).map(async ([pid, rss, command]) => ({
      pid: Number(pid),
      rss: Number(rss) * 1024,
      command: command ?? '',
      listen_sockets: await listenSocketsOf(Number(pid)),
    }));
    return Promise.all(stats);
  }

  async lastLines(count: number): Promise<readonly string[]> {
    const query = { stdout: '1', stderr: '1', tail: String(count) };
    let output: Buffer;
    try {
      output = await this.#engine.bytes({ path: this.#path('logs'), query });
    } catch (error) {
      // Removed by another hand, or being removed: its lines went with it. An engine that ends takes them too.
      if (statusOf(error) === 404 || statusOf(error) === 409 || isEngineAway(error)) return [];
      throw error;
    }
    return cleanText(withoutFrames(output))
      .split('\n')
      .filter((line) => line.trim() !== '');
  }

  async remove(): Promise<void> {
    try {
      await removeContainer(this.#engine, this.#id);
    } catch (error) {
      // An engine that is away keeps it: it is removed when its machine is started again, or the emulator ends.
      if (!isEngineAway(error)) throw error;
    }
  }

  // A connection that broke says nothing of the container: an engine that comes back is asked what became of it.
  async #waitForExit(): Promise<Exit> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        const { StatusCode } = (await this.#engine.untilEnded(this.#id)) as { StatusCode: number };
        return { exitCode: StatusCode, oomKilled: await this.#wasOomKilled() };
      } catch (error) {
        // Removed while nobody could look.
        if (statusOf(error) === 404) return { exitCode: KILLED, oomKilled: false };
        if (!isEngineAway(error)) throw error;
      }
      await systemClock.sleep(pauseMs, this.#engine.closed);
    }
  }

  async #wasOomKilled(): Promise<boolean> {
    try {
      const info = (await this.#engine.ask({ path: this.#path('json') })) as Docker.ContainerInspectInfo;
      return info.State.OOMKilled;
    } catch (error) {
      // Removed while it still ran: killed by us, not for its memory.
      if (statusOf(error) === 404) return false;
      throw error;
    }
  }

  async #order(what: string, query: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#engine.ask({ method: 'POST', path: this.#path(what), query });
  }

  #path(what: string): string {
    return `/containers/${this.#id}/${what}`;
  }
}

/**
 * Ends it too, if it still runs; one that is gone is fine.
 * @param container its id or name
 */
export async function removeContainer(
  engine: BoundedEngine,
  container: string,
  limits: Pick<Question, 'withinMs'> = {},
): Promise<void> {
  const query = { force: '1', v: '1' };
  try {
    await engine.ask({ method: 'DELETE', path: `/containers/${container}`, query, ...limits });
  } catch (error) {
    // 404: gone. 409: the engine is removing it at this moment.
    if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
  }
}

// Without a TTY each piece of output follows 8 bytes: the stream's number, three zeros, the piece's length.
function withoutFrames(output: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= output.length;) {
    const length = output.readUInt32BE(at + 4);
    pieces.push(output.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** The engine's HTTP status, where an error is its answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof EngineRefusal ? error.status : undefined;
}
