import { createInterface } from 'node:readline';
import type Docker from 'dockerode';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { ContainerInstance, removeContainer, statusOf } from './container.js';
import type { Instance, InstanceSpec, Runtime } from './runtime.js';

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
