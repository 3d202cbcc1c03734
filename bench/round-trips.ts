import { makeTempFolder } from '../test/support/temp-folder.js';
import { startDockerRegistry } from '../test/support/docker-registry.js';
import { buildxIndex } from '../test/support/image-fixtures.js';
import { pushFixture } from '../test/support/push-fixture.js';
import { whyMissing } from '../test/support/requirements.js';
import { startTokenServer } from '../test/support/token-server.js';
import { deployer, modern } from './support/commands.js';
import { startCountingProxy, type CountingProxy } from './support/counting-proxy.js';
import { measureInTurn, runToEnd, type Command } from './support/measure.js';
import { timeRow, type Row } from './support/table.js';

const ROUND_TRIP_MS = 40;

/** A search behind a token server, over a way of 40 ms a round trip: requests, connections, time. */
export async function roundTrips(rounds: number): Promise<Row[]> {
  await using tokens = await startTokenServer({ anonymous: ['pull'] });
  await using tokenWay = await startCountingProxy(new URL(tokens.realm).host, ROUND_TRIP_MS);
  const realm = `http://${tokenWay.host}/token`;
  await using registry = await startDockerRegistry({ auth: { kind: 'token', server: { ...tokens, realm } } });
  await using way = await startCountingProxy(registry.host, ROUND_TRIP_MS);
  await pushFixture(
    {
      url: registry.url,
      repository: 'bench/app',
      authorization: `Bearer ${tokens.sign(['repository:bench/app:pull,push'], 300)}`,
    },
    'v1',
    await buildxIndex(),
  );
  await using home = await makeTempFolder('home');
  const reference = `${way.host}/bench/app:v1`;
  const ways = [way, tokenWay];
  // --raw asks for the index alone: what a search does.
  const first: Command = { ...deployer('image', 'inspect', '--raw', reference), env: { HOME: home.path } };
  const cold = await countOf(ways, first);
  const again = await countOf(ways, first);
  return [
    countRow('requests of a first search with a token', cold, 3),
    countRow('requests of the next one', again, 2),
    ...(await besidePeers(reference, home.path, ways, rounds)),
  ];
}

interface Count {
  readonly requests: readonly string[];
  readonly connections: number;
}

async function countOf(ways: readonly CountingProxy[], command: Command): Promise<Count> {
  for (const way of ways) way.reset();
  await runToEnd(command);
  const counts = ways.map((way) => way.counts());
  return {
    requests: counts.flatMap(({ requests }) => requests),
    connections: counts.reduce((sum, { connections }) => sum + connections, 0),
  };
}

function countRow(what: string, { requests, connections }: Count, goal?: number): Row {
  const pings = requests.filter((request) => / \/v2\/$/.test(request)).length;
  return {
    what,
    value: `${requests.length} on ${connections} connections`,
    ...(goal !== undefined && {
      goal: { text: `≤ ${goal}, no ping of /v2/`, met: requests.length <= goal && pings === 0 },
    }),
  };
}

async function besidePeers(
  reference: string,
  home: string,
  ways: readonly CountingProxy[],
  rounds: number,
): Promise<Row[]> {
  const what = `image inspect over ${ROUND_TRIP_MS} ms a round trip`;
  const missing = whyMissing('modern-root');
  if (missing !== undefined) return [{ what, value: '', beside: `peers: not measured, ${missing}` }];
  const ours: Command = { ...deployer('image', 'inspect', reference), env: { HOME: home } };
  const buildx = modern('docker', 'buildx', 'imagetools', 'inspect', reference);
  const crane = modern('crane', 'manifest', reference);
  const counts = [
    countRow('requests of docker buildx imagetools inspect', await countOf(ways, buildx)),
    countRow('requests of crane manifest', await countOf(ways, crane)),
  ];
  const timed = await measureInTurn({ ours, buildx }, Math.min(rounds, 9));
  return [
    ...counts,
    timeRow(what, timed.ours.median, ['docker buildx imagetools inspect', timed.buildx.median], 1),
  ];
}
