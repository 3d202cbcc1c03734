import { expect } from 'chai';
import { clientClasses } from '../../src/image/diagnose/client-classes.js';
import { registryError, startHostileServer } from './hostile-server.js';

/**
 * Has a real client look for an image, and compares its request for the manifest with what `image diagnose` asks as
 * that client.
 * @param look runs the client; that it fails is its affair, since nothing is there
 * @param agent how the client's User-Agent begins
 */
export async function expectAsksAs(
  name: string,
  agent: RegExp,
  look: (host: string) => Promise<unknown>,
): Promise<void> {
  await using server = await startHostileServer(({ url }) =>
    url === '/v2/'
      ? { headers: { 'docker-distribution-api-version': 'registry/2.0' }, body: '{}' }
      : registryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
  );
  await look(server.host).catch(() => undefined);
  const asked = server.requests.filter(
    ({ url, headers }) => url.includes('/manifests/') && agent.test(headers['user-agent'] ?? ''),
  );
  const client = clientClasses(false).find((one) => one.name === name);
  const kinds = asked.map(({ method, headers }) => ({
    method,
    accept: (headers['accept'] ?? '').split(',').map((type) => type.trim()),
  }));
  // The order says nothing (and is another each time with Go's maps).
  const sorted = ({ method, accept }: { method: string; accept: readonly string[] }): string =>
    [method, ...[...accept].sort()].join(' ');
  expect(kinds.map(sorted), `${name} asks as we think`).to.include(
    sorted(client as NonNullable<typeof client>),
  );
}
