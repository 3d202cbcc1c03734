import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { startServer, waitUntilReady } from './child-process.js';
import { eventually } from './eventually.js';
import { LINUX_AMD64 } from './image-fixtures.js';
import { busyboxLayer } from './layers.js';
import { makeNetworkBridge } from './network-bridge.js';
import { findProgram } from './requirements.js';
import { makeTempFolder } from './temp-folder.js';

const run = promisify(execFile);

export interface DockerEngine extends AsyncDisposable {
  /** `unix:///...`, as DOCKER_HOST wants it */
  readonly dockerHost: string;
  readonly socketPath: string;
  readonly docker: Docker;
  readonly pid: number;
  log(): string;
  /** Ends it as a crash does (SIGKILL). Its containers stay behind until it is started again. */
  crash(): Promise<void>;
  /** Starts it after a crash, with all that it had. */
  startAgain(): Promise<void>;
  /** Removes its containers and leaves nothing: no process, mount, bridge or file. */
  stop(): Promise<void>;
}

/**
 * Debian's dockerd (20.10, graphdriver store).
 * @param options without a bridge its containers have no network; `settings` are of its daemon.json; `diskMiB` makes
 *   its disk (in memory) that large
 */
export async function startDockerEngine({
  bridge = true,
  settings = {},
  diskMiB,
}: {
  readonly bridge?: boolean;
  readonly settings?: object;
  readonly diskMiB?: number;
} = {}): Promise<DockerEngine> {
  const program = findProgram('dockerd') ?? 'dockerd';
  const { stdout } = await run(program, ['--version']);
  const major = Number(/version (\d+)\./.exec(stdout)?.[1]);
  return startEngine(
    [program],
    (folder) => {
      if (diskMiB !== undefined) mountDisk(join(folder, 'data'), diskMiB);
      return {
        ...settings,
        // It writes a key into /etc/docker unless told another place; the setting is gone from later ones.
        ...(major < 23 ? { 'deprecated-key-path': join(folder, 'key.json') } : {}),
      };
    },
    bridge,
  );
}

/**
 * A dockerd with everything of its own: data, socket, bridge, configuration. It changes no iptables rule: a
 * published port is served on loopback by docker-proxy.
 * @param command what starts dockerd; its arguments are added
 * @param settings daemon.json, given the engine's folder. Beside it the machine's own is not read.
 */
export async function startEngine(
  [program, ...before]: readonly [string, ...string[]],
  settings: (folder: string) => object,
  withBridge = true,
): Promise<DockerEngine> {
  const folder = await makeTempFolder('engine');
  const bridge = await makeNetworkBridge();
  const file = (name: string): string => join(folder.path, name);
  const socketPath = file('docker.sock');
  await writeFile(file('daemon.json'), JSON.stringify(settings(folder.path)));
  const command = {
    program,
    args: [
      ...before,
      ...[
        '--config-file',
        file('daemon.json'),
        '-H',
        `unix://${socketPath}`,
        '--pidfile',
        file('docker.pid'),
      ],
      ...['--data-root', file('data'), '--exec-root', file('exec')],
      ...['--bridge', withBridge ? bridge.name : 'none', '--iptables=false', '--ip-forward=false'],
      ...['--default-address-pool', `base=${bridge.addressPool},size=28`],
    ],
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, DOCKER_HOST: '' },
  };
  let server = startServer(command);
  const docker = new Docker({ socketPath });
  const removeAll = async (): Promise<void> => {
    await unmountUnder(folder.path);
    await bridge.remove();
    await folder.remove();
  };
  const ping = async (): Promise<true | undefined> => {
    // Refused until it listens.
    const answer: unknown = await docker.ping().catch(() => undefined);
    return answer === undefined ? undefined : true;
  };
  const ready = (): Promise<true> => waitUntilReady('dockerd', server, ping);
  await ready().catch(async (error: unknown) => {
    await removeAll();
    throw error;
  });
  const stop = async (): Promise<void> => {
    if (!server.exited()) await removeContainers(docker);
    await server.stop(20_000);
    await removeAll();
  };
  return {
    ...{ dockerHost: `unix://${socketPath}`, socketPath, docker },
    get pid() {
      return server.pid;
    },
    log: () => server.log(),
    async crash() {
      process.kill(server.pid, 'SIGKILL');
      await eventually(() => {
        if (!server.exited()) throw new Error('dockerd still runs');
      });
      // Its containerd has died with it; one that nobody reaps would be taken for alive by the next dockerd.
      await rm(file('exec/containerd/containerd.pid'), { force: true });
    },
    async startAgain() {
      server = startServer(command);
      await ready();
    },
    ...{ stop, [Symbol.asyncDispose]: stop },
  };
}

/** Makes a runnable image of busybox-static under this name, as `docker import` would. */
export async function importBusybox(docker: Docker, name = 'busybox:test'): Promise<void> {
  const [, repo = name, tag = 'latest'] = /^(.+):([^:/]+)$/.exec(name) ?? [];
  const tar = await busyboxLayer(LINUX_AMD64);
  const stream = await docker.importImage(Readable.from([tar]), { repo, tag, changes: ['CMD ["/bin/sh"]'] });
  await followToEnd(docker, stream);
}

/** Reads an engine's progress stream to its end. A failure inside of it is thrown. */
export async function followToEnd(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error: Error | null, output: readonly { error?: string }[]) => {
      const failure = error ?? output.find((line) => line.error !== undefined)?.error;
      if (failure === undefined) resolve();
      else reject(failure instanceof Error ? failure : new Error(failure));
    });
  });
}

/** Unmounted with what the engine leaves mounted. */
function mountDisk(folder: string, mib: number): void {
  mkdirSync(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', folder]);
}

async function removeContainers(docker: Docker): Promise<void> {
  const containers = await docker.listContainers({ all: true });
  await Promise.all(containers.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true })));
}

/** What an engine leaves mounted when it was killed: overlay roots, network namespaces. Deepest first. */
async function unmountUnder(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounts.sort().reverse()) await run('umount', ['--lazy', path]);
}

/** What a command prints in a container of the image. */
export async function printedInContainer(
  docker: Docker,
  image: string,
  ...command: string[]
): Promise<string> {
  const container = await docker.createContainer({ Image: image, Cmd: command });
  await container.start();
  await container.wait();
  const log = await container.logs({ stdout: true, stderr: true });
  await container.remove();
  // Each part of a log has eight bytes before it.
  return log.toString('utf8').replace(/[\u0001\u0002]\0\0\0[^]{4}/g, '');
}
