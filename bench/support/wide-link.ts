import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCertificates } from '../../test/support/certificates.js';
import { startDockerRegistry } from '../../test/support/docker-registry.js';
import { buildxIndex } from '../../test/support/image-fixtures.js';
import { pushFixture } from '../../test/support/push-fixture.js';
import { MODERN_ROOT } from '../../test/support/requirements.js';
import { makeTempFolder } from '../../test/support/temp-folder.js';
import { startTokenServer } from '../../test/support/token-server.js';
import { deployer } from './commands.js';
import { startDelayingProxy } from './delaying-proxy.js';
import { runToEnd, type Command } from './measure.js';

/** An image in a docker-registry behind TLS, its tokens from another host, both at the end of a long way. */
export interface WideLink {
  readonly reference: string;
  /** The built program, with a home of its own. */
  ours(...args: readonly string[]): Command;
  /** A program of the Debian sid root. */
  peer(...argv: readonly string[]): Command;
  /** What the program has remembered is gone. */
  forget(): Promise<void>;
  /** Runs the command once. */
  count(command: Command): Promise<Count>;
}

export interface Count {
  /** That reached the registry and the token server. */
  readonly requests: number;
  /** That the proxies saw. */
  readonly connections: number;
}

// Names, since clients treat loopback addresses in ways of their own (plain http first, no verification).
const REGISTRY = 'registry.bench.test';
const TOKENS = 'tokens.bench.test';
const REPOSITORY = 'bench/app';
const WITH_NAMES = fileURLToPath(new URL('with-names.sh', import.meta.url));

export async function overWideLink<T>(roundTripMs: number, work: (link: WideLink) => Promise<T>): Promise<T> {
  await using folder = await makeTempFolder('bench-link');
  const tls = await makeCertificates(folder.path, [REGISTRY, TOKENS]);
  const hosts = join(folder.path, 'hosts');
  await writeFile(hosts, `127.0.0.1 localhost ${REGISTRY} ${TOKENS}\n`);
  await using tokens = await startTokenServer({ anonymous: ['pull'], tls });
  await using tokenWay = await startDelayingProxy(new URL(tokens.realm).host, roundTripMs);
  const realm = `https://${TOKENS}:${tokenWay.port}/token`;
  const auth = { kind: 'token', server: { ...tokens, realm } } as const;
  const dataFolder = join(folder.path, 'data');
  {
    await using near = await startDockerRegistry({ auth, dataFolder });
    const authorization = `Bearer ${tokens.sign([`repository:${REPOSITORY}:pull,push`], 300)}`;
    await pushFixture({ url: near.url, repository: REPOSITORY, authorization }, 'v1', await buildxIndex());
  }
  await using registry = await startDockerRegistry({ auth, dataFolder, tls });
  await using way = await startDelayingProxy(registry.host, roundTripMs);
  const home = join(folder.path, 'home');
  const named = (root: string, argv: readonly string[], env: Record<string, string>): Command => ({
    argv: [WITH_NAMES, root, hosts, tls.caFile, ...argv],
    env,
  });
  return await work({
    reference: `${REGISTRY}:${way.port}/${REPOSITORY}:v1`,
    ours: (...args) => named('/', deployer(...args).argv, { HOME: home, NODE_EXTRA_CA_CERTS: tls.caFile }),
    peer: (...argv) => named(MODERN_ROOT, argv, { HOME: '/root' }),
    forget: () => rm(home, { recursive: true, force: true }),
    count: async (command) => {
      const ways = [way, tokenWay];
      for (const { reset } of ways) reset();
      const asked = (): number => registry.requests().length + tokens.requests.length;
      const before = asked();
      await runToEnd(command);
      return {
        requests: asked() - before,
        connections: ways.reduce((sum, { connections }) => sum + connections(), 0),
      };
    },
  });
}
