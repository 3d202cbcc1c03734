import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startRegistry, type RegistryOptions } from '../../src/emulator/registry/server.js';
import { startServer, waitUntilReady } from './child-process.js';
import { eventually } from './eventually.js';
import { makeTempFolder } from './temp-folder.js';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const TSX = pathToFileURL(join(PROJECT, 'node_modules/tsx/dist/esm/index.mjs')).href;

export interface EmulatorRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, the domain of its references */
  readonly host: string;
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** What it logged so far. */
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

/** The emulator's registry in this process, on a free port; its data in a temp folder unless told. */
export async function startEmulatorRegistry(
  options: Partial<RegistryOptions> = {},
): Promise<EmulatorRegistry> {
  const folder = options.dataDir === undefined ? await makeTempFolder('emulator-registry') : undefined;
  const dataDir = options.dataDir ?? join(folder?.path ?? '', 'data');
  const lines: string[] = [];
  const { port, close } = await startRegistry({
    ...{ port: 0, legacyAccept: false, log: (line) => void lines.push(line) },
    ...options,
    dataDir,
  });
  const stop = async (): Promise<void> => {
    await close();
    await folder?.remove();
  };
  const host = `127.0.0.1:${port}`;
  return { host, url: `http://${host}`, port, dataDir, lines, stop, [Symbol.asyncDispose]: stop };
}

export interface EmulatorRegistryProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** SIGKILL: it has no moment to tidy up. */
  kill(): Promise<void>;
  /** SIGTERM: it closes. */
  stop(): Promise<void>;
}

/** The same in a process of its own, which can be killed. Its folder is the caller's. */
export async function startEmulatorRegistryProcess(dataDir: string): Promise<EmulatorRegistryProcess> {
  const server = startServer({
    program: process.execPath,
    args: ['--import', TSX, join(PROJECT, 'test/support/emulator-registry-process.ts'), dataDir],
  });
  const url = await waitUntilReady(
    'the emulator registry',
    server,
    () => /^ready (http:\S+)$/m.exec(server.log())?.[1],
  );
  const kill = async (): Promise<void> => {
    process.kill(server.pid, 'SIGKILL');
    await eventually(() => {
      if (!server.exited()) throw new Error('still there');
    });
  };
  return { url, pid: server.pid, kill, stop: server.stop, [Symbol.asyncDispose]: () => server.stop() };
}
