import { resolve } from 'node:path';
import { messageOf } from '../../lib/errors.js';
import { freeUnlinkedContent, openDataFolder } from './data-folder.js';
import { HttpServer } from './http-server.js';
import { Layout } from './layout.js';
import { Registry } from './registry.js';

export interface RegistryOptions {
  /** A folder of the registry's own; made when it is not there, taken up as it was left when it is. */
  readonly dataDir: string;
  /** 0: any free port. */
  readonly port: number;
  /** Answer as docker-registry 2.8 does when the Accept header names no OCI index or OCI manifest: 404. */
  readonly legacyAccept: boolean;
  /** Is given a line for each request. */
  readonly log?: (line: string) => void;
  /** A connection on which nothing moves for so long is cut (ms); two minutes unless told. */
  readonly idleTimeoutMs?: number;
}

export interface RunningRegistry {
  readonly port: number;
  /** Ends all connections and gives the data folder back. */
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;

/** An upload that has brought nothing for so long is given up (ms). */
const STALE_UPLOAD_MS = 24 * HOUR_MS;

/**
 * Starts an OCI registry (distribution-spec 1.1) on 127.0.0.1 that keeps all in `dataDir`. Its clients are the
 * programs of this machine; there are no accounts.
 * @throws DeployerError `usage` when the port or the folder can't be had
 */
export async function startRegistry(options: RegistryOptions): Promise<RunningRegistry> {
  const { port, legacyAccept, log = () => undefined, idleTimeoutMs = 120_000 } = options;
  const layout = new Layout(resolve(options.dataDir));
  const folder = await openDataFolder(layout);
  try {
    const registry = new Registry(layout, legacyAccept);
    const removeStale = (): Promise<void> => registry.uploads.removeStale(Date.now() - STALE_UPLOAD_MS);
    await removeStale();
    await freeUnlinkedContent(layout);
    const server = new HttpServer({ answer: (exchange) => registry.answer(exchange), log, idleTimeoutMs });
    const actualPort = await server.listen(port);
    const sweep = setInterval(() => {
      removeStale().catch((error: unknown) => log(`removing stale uploads: ${messageOf(error)}`));
    }, HOUR_MS);
    return {
      port: actualPort,
      async close() {
        clearInterval(sweep);
        await server.close();
        await folder.release();
      },
    };
  } catch (error) {
    await folder.release();
    throw error;
  }
}
