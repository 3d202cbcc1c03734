import { join } from 'node:path';
import { ImageSearch } from '../../src/image/search.js';
import { ShapeReader } from '../../src/image/shape.js';
import type { RoundTrip } from '../../src/http/undici-client.js';
import { connectRegistry, type ConnectOptions, type RegistryConnection } from '../../src/registry/connect.js';
import { SimulatedClock } from './simulated-clock.js';
import { makeTempFolder } from './temp-folder.js';

export interface TestConnection extends RegistryConnection, AsyncDisposable {
  readonly search: ImageSearch;
  readonly reader: ShapeReader;
  /** The home folder: docker's and podman's files, the cache. */
  readonly home: string;
  readonly clock: SimulatedClock;
  readonly warnings: readonly string[];
  readonly trips: readonly RoundTrip[];
}

/**
 * The registry client as the program uses it, with a home folder of its own, on a clock on which pauses take no time.
 * Nobody is logged in and nothing is configured but what `options` say.
 */
export async function connectForTest(options: Partial<ConnectOptions> = {}): Promise<TestConnection> {
  const folder = options.home === undefined ? await makeTempFolder('home') : undefined;
  const home = options.home ?? folder?.path ?? '';
  const clock = new SimulatedClock();
  const warnings: string[] = [];
  const trips: RoundTrip[] = [];
  const connection = connectRegistry({
    env: {},
    clock,
    userAgent: 'deployer/test',
    warn: (message) => warnings.push(message),
    trace: (trip) => trips.push(trip),
    ...options,
    home,
  });
  return {
    ...connection,
    search: new ImageSearch(connection.registry, clock),
    reader: new ShapeReader(connection.registry),
    ...{ home, clock, warnings, trips },
    [Symbol.asyncDispose]: async () => {
      await connection.http.close();
      await folder?.remove();
    },
  };
}

/** A variable DOCKER_AUTH_CONFIG that logs in at this host. */
export function loggedIn(
  host: string,
  entry: Readonly<Record<string, string>>,
): { DOCKER_AUTH_CONFIG: string } {
  return { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: entry } }) };
}

/** `user:password` as docker keeps it. */
export function basicEntry(user: string, password: string): { auth: string } {
  return { auth: Buffer.from(`${user}:${password}`).toString('base64') };
}

/** Where docker's certs.d keeps the authority of a host, below a home folder. */
export function authorityFile(home: string, host: string): string {
  return join(home, '.docker', 'certs.d', host, 'ca.crt');
}
