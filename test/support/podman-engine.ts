import { join } from 'node:path';
import Docker from 'dockerode';
import { startServer, waitUntilReady } from './child-process.js';
import type { DockerEngine } from './docker-engine.js';
import { findProgram } from './requirements.js';
import { makeTempFolder } from './temp-folder.js';

/** Debian's Podman (4.3) as a service, with images and containers of its own. It sets no network up. */
export async function startPodmanEngine(): Promise<Omit<DockerEngine, 'log' | 'crash' | 'startAgain'>> {
  const folder = await makeTempFolder('podman');
  const file = (name: string): string => join(folder.path, name);
  const socketPath = file('podman.sock');
  const server = startServer({
    program: findProgram('podman') ?? 'podman',
    args: [
      ...['--root', file('root'), '--runroot', file('run'), '--tmpdir', file('tmp')],
      // No systemd, no journal and no overlay over an overlay may be here.
      ...['--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
      ...['system', 'service', '--time', '0', `unix://${socketPath}`],
    ],
    env: { TMPDIR: folder.path, HOME: folder.path },
  });
  const docker = new Docker({ socketPath });
  const stop = async (): Promise<void> => {
    await server.stop(20_000);
    await folder.remove();
  };
  const ping = async (): Promise<true | undefined> => {
    // Refused until it listens.
    const answer: unknown = await docker.ping().catch(() => undefined);
    return answer === undefined ? undefined : true;
  };
  await waitUntilReady('podman', server, ping).catch(async (error: unknown) => {
    await folder.remove();
    throw error;
  });
  return {
    ...{ dockerHost: `unix://${socketPath}`, socketPath, docker, pid: server.pid },
    ...{ stop, [Symbol.asyncDispose]: stop },
  };
}
