import type Docker from 'dockerode';
import { readJsonLines } from '../../engine/json-stream.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { BoundedEngine, isEngineAway } from './bounded-engine.js';
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

/** For the largest of images over a slow line. */
const PULL_MS = 30 * 60_000;

/** Machines as containers of a Docker Engine, on this machine: ports are published on its loopback address. */
export class DockerRuntime implements Runtime {
  readonly name = 'docker';
  readonly description: string;
  readonly cleanUpCommand: string;
  readonly #engine: BoundedEngine;
  readonly #emulatorId: string;
  readonly #label: string;
  // Fly runs an init as PID 1, so that a process that ignores signals as PID 1 would still ends. An engine without
  // docker-init says so only when a container is started with it.
  #withInit = true;

  /** @param emulatorId tells this emulator's containers from another's on the same engine */
  constructor(engine: Docker, emulatorId: string, description: string) {
    this.#engine = new BoundedEngine(engine);
    this.#emulatorId = emulatorId;
    this.description = description;
    this.#label = `${LABEL.emulator}=${emulatorId}`;
    this.cleanUpCommand = `docker rm -f $(docker ps -aq --filter label=${this.#label})`;
  }

  async prepare(image: string, signal: AbortSignal): Promise<void> {
    if (image.includes('@') && (await this.#has(image))) return;
    const [fromImage, tag] = splitPullReference(image);
    const query = { fromImage, tag };
    const pull = { method: 'POST', path: '/images/create', query, signal, withinMs: PULL_MS } as const;
    await this.#engine.follow(pull, async (answer) => {
      for await (const { error } of readJsonLines(answer)) {
        // A pull that fails answers 200 and says so in a line.
        if (typeof error === 'string') throw new Error(`failed to pull ${image}: ${cleanLine(error)}`);
      }
    });
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

  async removeLeftovers(withinMs?: number): Promise<void> {
    const limits = withinMs === undefined ? {} : { withinMs };
    const query = { all: '1', filters: JSON.stringify({ label: [this.#label] }) };
    try {
      const containers = await this.#engine.ask({ path: '/containers/json', query, ...limits });
      await Promise.all(
        (containers as Docker.ContainerInfo[]).map(({ Id }) => removeContainer(this.#engine, Id, limits)),
      );
    } catch (error) {
      throw new DeployerError(
        'engine_unavailable',
        `containers of this emulator may be left: ${cleanLine(messageOf(error))}`,
        { suggestions: [this.cleanUpCommand], cause: error },
      );
    }
  }

  close(): void {
    this.#engine.close();
  }

  async #start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    const name = containerName(spec);
    try {
      const id = await this.#create(name, spec);
      signal.throwIfAborted();
      await this.#engine.ask({ method: 'POST', path: `/containers/${id}/start` });
      const info = await this.#engine.ask({ path: `/containers/${id}/json` });
      const ports = publishedPorts(info as Docker.ContainerInspectInfo, spec.ports);
      signal.throwIfAborted();
      return new ContainerInstance(this.#engine, id, ports);
    } catch (error) {
      // By its name: an answer that was cut off has told no id. An engine that is away has told why already.
      await removeContainer(this.#engine, name).catch((left: unknown) => {
        if (!isEngineAway(left)) throw left;
      });
      throw error;
    }
  }

  async #create(name: string, spec: InstanceSpec): Promise<string> {
    const create = (): Promise<unknown> =>
      this.#engine.ask({
        ...{ method: 'POST', path: '/containers/create', query: { name } },
        json: this.#options(spec),
      });
    const created = await create().catch(async (error: unknown) => {
      if (statusOf(error) !== 409) throw error;
      // Left by an engine that was away when it was to be removed. The name holds the machine's id: it is ours.
      await removeContainer(this.#engine, name);
      return create();
    });
    return (created as { readonly Id: string }).Id;
  }

  #options(spec: InstanceSpec): Docker.ContainerCreateOptions {
    const keys = spec.ports.map((port) => `${port}/tcp`);
    return {
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
      await this.#engine.ask({ path: `/images/${image}/json` });
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

function containerName({ app, machineId }: InstanceSpec): string {
  return `deployer-${app}-${machineId}`;
}
