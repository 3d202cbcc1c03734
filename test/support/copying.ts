import { copyImage, type CopyRequest, type CopyResult } from '../../src/image/copy.js';
import type { CopyProgress } from '../../src/image/copy-tally.js';
import { parseImageLocation } from '../../src/image/location.js';
import { ImageSearch } from '../../src/image/search.js';
import { connectRegistry, type RegistryConnection } from '../../src/registry/connect.js';
import type { RoundTrip } from '../../src/http/undici-client.js';
import { SimulatedClock } from './simulated-clock.js';
import { makeTempFolder, type TempFolder } from './temp-folder.js';

export interface Copier extends AsyncDisposable {
  /** Locations as a user writes them. */
  copy(
    source: string,
    destination: string,
    request?: Omit<CopyRequest, 'source' | 'destination'>,
    signal?: AbortSignal,
  ): Promise<CopyResult>;
  readonly connection: RegistryConnection;
  /** A folder of its own. */
  readonly folder: string;
  /** Pauses before requests that were sent again, in milliseconds; none was waited. */
  readonly pauses: readonly number[];
  /** What it warned of. */
  readonly warnings: readonly string[];
  /** Every request and its answer: `HEAD /v2/app/manifests/v1 404`. */
  readonly trips: readonly string[];
  /** The last copy's progress, every step of it. */
  readonly progress: readonly CopyProgress[];
}

/**
 * Copies as the program does, with a clock on which no pause takes time.
 * @param env for credentials: `DOCKER_AUTH_CONFIG`
 */
export async function makeCopier(env: Readonly<Record<string, string>> = {}): Promise<Copier> {
  const home: TempFolder = await makeTempFolder('copier');
  const clock = new SimulatedClock(Date.now());
  const warnings: string[] = [];
  const trips: string[] = [];
  const progress: CopyProgress[] = [];
  const trace = ({ method, url, status }: RoundTrip): void => {
    trips.push(`${method} ${new URL(url).pathname} ${status ?? 'no answer'}`);
  };
  const connection = connectRegistry({
    ...{ env, home: home.path, clock, userAgent: 'deployer-test', trace },
    warn: (message) => warnings.push(message),
  });
  const { registry } = connection;
  return {
    ...{ connection, folder: home.path, pauses: clock.slept, warnings, trips, progress },
    copy(source, destination, request = {}, signal = new AbortController().signal) {
      progress.length = 0;
      return copyImage(
        { source: parseImageLocation(source), destination: parseImageLocation(destination), ...request },
        {
          ...{ registry, search: new ImageSearch(registry, clock), tempFolder: home.path, signal },
          onProgress: (step) => progress.push(step),
        },
      );
    },
    async [Symbol.asyncDispose]() {
      await connection.http.close();
      await home.remove();
    },
  };
}
