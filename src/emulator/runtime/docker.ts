import { createInterface } from 'node:readline';
import type Docker from 'dockerode';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { cleanLine, cleanText } from '../../lib/text.js';
import type { Exit } from '../machines/machine.js';
import type { Instance, InstanceSpec, ProcessStat, Runtime } from './runtime.js';

/** On every container, so that it can be told whose it is: the emulator, the app, the machine, its version. */
const LABEL = {
  emulator: 'deployer.emulator',
  app: 'deployer.app',
  machine: 'deployer.machine',
  version: 'deployer.version',
} as const;

const MIB = 1024 * 1024;

/** Machines as containers of a Docker Engine, on this machine: ports are published on its loopback address. */
export class DockerRuntime implements Runtime {
  readonly name = 'docker';
  readonly description: string;
  readonly #engine: Docker;
  readonly #emulatorId: string;
  // Fly runs an init as PID 1, so that a process that ignores signals as PID 1 would still ends. An engine without
  // docker-init says so only when a container is started with it.
  #withInit = true;

  /** @param emulatorId tells this emulator's containers from another's on the same engine */
  constructor(engine: Docker, emulatorId: string, description: string) {
    this.#engine = engine;
    this.#emulatorId = emulatorId;
    this.description = description;
  }

  async prepare(image: string, signal: AbortSignal): Promise<void> {
    if (image.includes('@') && (await this.#has(image))) return;
    const [fromImage, tag] = splitPullReference(image);
    const stream = await this.#engine.createImage({ fromImage, tag, abortSignal: signal });
    for await (const line of createInterface({ input: stream })) {
      const error = pullError(line);
      if (error !== undefined) throw new Error(`failed to pull ${image}: ${error}`);
    }
    // A stream that was cut off ends without a word.
    signal.throwIfAborted();
    if (!(await this.#has(image)))
      throw new Error(`failed to pull ${image}: the engine stopped before its end`);
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    try {
      return await this.#start(spec, signal);
    } catch (error) {
      if (!this.#withInit || !messageOf(error).includes('docker-init')) throw error;
      this.#withInit = false;
      return await this.#start(spec, signal);
    }
  }

  async removeLeftovers(): Promise<void> {
    const label = `${LABEL.emulator}=${this.#emulatorId}`;
    try {
      const containers = await this.#engine.listContainers({ all: true, filters: { label: [label] } });
      await Promise.all(containers.map((each) => removeContainer(this.#engine.getContainer(each.Id))));
    } catch (error) {
      throw new DeployerError(
        'engine_unavailable',
        `containers of this emulator may be left: ${cleanLine(messageOf(error))}`,
        { suggestions: [`docker rm -f $(docker ps -aq --filter label=${label})`], cause: error },
      );
    }
  }

  async #start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    const container = await this.#engine.createContainer(this.#options(spec));
    try {
      signal.throwIfAborted();
      await container.start();
      const ports = publishedPorts(await container.inspect(), spec.ports);
      signal.throwIfAborted();
      return new ContainerInstance(container, ports);
    } catch (error) {
      await removeContainer(container);
      throw error;
    }
  }

  #options(spec: InstanceSpec): Docker.ContainerCreateOptions {
    const keys = spec.ports.map((port) => `${port}/tcp`);
    return {
      name: `deployer-${spec.app}-${spec.machineId}`,
      Image: spec.image,
      Hostname: spec.machineId,
      Labels: {
        [LABEL.emulator]: this.#emulatorId,
        [LABEL.app]: spec.app,
        [LABEL.machine]: spec.machineId,
        [LABEL.version]: spec.version,
      },
      Env: Object.entries(spec.env).map(([key, value]) => `${key}=${value}`),
      ...(spec.entrypoint === undefined ? {} : { Entrypoint: [...spec.entrypoint] }),
      ...(spec.cmd === undefined ? {} : { Cmd: [...spec.cmd] }),
      ExposedPorts: Object.fromEntries(keys.map((key) => [key, {}])),
      HostConfig: {
        PortBindings: Object.fromEntries(keys.map((key) => [key, [{ HostIp: '127.0.0.1', HostPort: '' }]])),
        Memory: spec.memoryMb * MIB,
        // As much again in swap would hide an OOM.
        MemorySwap: spec.memoryMb * MIB,
        Init: this.#withInit,
      },
    };
  }

  async #has(image: string): Promise<boolean> {
    try {
      await this.#engine.getImage(image).inspect();
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw error;
    }
  }
}

class ContainerInstance implements Instance {
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
    return (table.Processes ?? []).map(([pid, rss, command]) => ({
      pid: Number(pid),
      rss: Number(rss) * 1024,
      command: command ?? '',
    }));
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

async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    // 404: gone. 409: the engine is removing it at this moment.
    if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
  }
}

function publishedPorts(
  info: Docker.ContainerInspectInfo,
  ports: readonly number[],
): ReadonlyMap<number, number> {
  const published = new Map<number, number>();
  for (const port of ports) {
    const hostPort = info.NetworkSettings.Ports[`${port}/tcp`]?.[0]?.HostPort;
    if (hostPort !== undefined) published.set(port, Number(hostPort));
  }
  return published;
}

// The engine takes a digest where it takes a tag.
function splitPullReference(image: string): [fromImage: string, tag: string] {
  const at = image.indexOf('@');
  if (at !== -1) return [image.slice(0, at), image.slice(at + 1)];
  const colon = image.lastIndexOf(':');
  return colon > image.lastIndexOf('/') ? [image.slice(0, colon), image.slice(colon + 1)] : [image, 'latest'];
}

// A pull that fails answers 200 and says so in a line.
function pullError(line: string): string | undefined {
  if (line.trim() === '') return undefined;
  const message = JSON.parse(line) as { error?: unknown };
  return typeof message.error === 'string' ? cleanLine(message.error) : undefined;
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

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? (error.statusCode as number) : undefined;
}
