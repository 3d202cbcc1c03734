import type Docker from 'dockerode';
import { cleanText } from '../../lib/text.js';
import type { Exit } from '../machines/machine.js';
import { listenSocketsOf } from './listen-sockets.js';
import type { Instance, ProcessStat } from './runtime.js';

/** A machine's process as a container. */
export class ContainerInstance implements Instance {
  readonly ports: ReadonlyMap<number, number>;
  readonly exit: Promise<Exit>;
  readonly #container: Docker.Container;

  constructor(container: Docker.Container, ports: ReadonlyMap<number, number>) {
    this.#container = container;
    this.ports = ports;
    this.exit = this.#waitForExit();
  }

  async stop(signal: string, timeoutMs: number): Promise<void> {
    await this.signal(signal);
    const kill = setTimeout(() => void this.signal('SIGKILL').catch(() => this.remove()), timeoutMs);
    try {
      await this.exit;
    } finally {
      clearTimeout(kill);
    }
  }

  async signal(signal: string): Promise<void> {
    try {
      await this.#container.kill({ signal });
    } catch (error) {
      // 404: already removed. 409: it has ended, and has nothing to be told.
      if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    }
  }

  async suspend(): Promise<void> {
    await this.#container.pause();
  }

  async resume(): Promise<void> {
    await this.#container.unpause();
  }

  async processes(): Promise<readonly ProcessStat[]> {
    const table = (await this.#container.top({ ps_args: '-o pid,rss,args' })) as { Processes?: string[][] };
    const stats = (table.Processes ?? []).map(async ([pid, rss, command]) => ({
      pid: Number(pid),
      rss: Number(rss) * 1024,
      command: command ?? '',
      listen_sockets: await listenSocketsOf(Number(pid)),
    }));
    return Promise.all(stats);
  }

  async lastLines(count: number): Promise<readonly string[]> {
    let output: Buffer;
    try {
      output = await this.#container.logs({ stdout: true, stderr: true, tail: count });
    } catch (error) {
      // Removed by another hand, or being removed: its lines went with it.
      if (statusOf(error) === 404 || statusOf(error) === 409) return [];
      throw error;
    }
    return cleanText(withoutFrames(output))
      .split('\n')
      .filter((line) => line.trim() !== '');
  }

  remove(): Promise<void> {
    return removeContainer(this.#container);
  }

  async #waitForExit(): Promise<Exit> {
    const { StatusCode } = (await this.#container.wait()) as { StatusCode: number };
    return { exitCode: StatusCode, oomKilled: await this.#wasOomKilled() };
  }

  async #wasOomKilled(): Promise<boolean> {
    try {
      return (await this.#container.inspect()).State.OOMKilled;
    } catch (error) {
      // Removed while it still ran: killed by us, not for its memory.
      if (statusOf(error) === 404) return false;
      throw error;
    }
  }
}

/** Ends it too, if it still runs; one that is gone is fine. */
export async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
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

/** The engine's HTTP status in an error of its client. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? (error.statusCode as number) : undefined;
}
