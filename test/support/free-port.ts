import { createServer, type AddressInfo } from 'node:net';

/**
 * A loopback port that nothing listens on at this moment. Another program may take it before it is used: a server
 * that can be told port 0 should be told that instead.
 */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
