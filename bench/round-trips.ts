import { whyMissing } from '../test/support/requirements.js';
import { measureInTurn } from './support/measure.js';
import { timeRow, type Row } from './support/table.js';
import { overWideLink, type Count, type WideLink } from './support/wide-link.js';

const ROUND_TRIP_MS = 50;

/** A search and `image inspect` over 50 ms a round trip, with TLS and a token server: requests, connections, time. */
export function roundTrips(rounds: number): Promise<Row[]> {
  const missing = whyMissing('modern-root');
  if (missing !== undefined) {
    return Promise.resolve([{ what: 'round trips', value: '', beside: `not measured: ${missing}` }]);
  }
  return overWideLink(ROUND_TRIP_MS, async (link) => [
    ...(await counted(link)),
    ...(await timed(link, rounds)),
  ]);
}

async function counted(link: WideLink): Promise<Row[]> {
  const { ours, peer, reference, count } = link;
  // --raw asks for the index alone: what a search does.
  const search = ours('image', 'inspect', '--raw', reference);
  const inspect = ours('image', 'inspect', '--platform', 'linux/amd64', reference);
  const crane = peer('crane', 'manifest', '--platform', 'linux/amd64', reference);
  await link.forget();
  return [
    countRow('requests of a first search', await count(search), 3),
    countRow('requests of the next one', await count(search), 2),
    countRow('requests of image inspect --platform', await count(inspect)),
    countRow('requests of crane manifest --platform', await count(crane)),
  ];
}

async function timed({ ours, peer, reference, forget }: WideLink, rounds: number): Promise<Row[]> {
  const inspect = ours('image', 'inspect', '--platform', 'linux/amd64', reference);
  const crane = peer('crane', 'manifest', '--platform', 'linux/amd64', reference);
  const buildx = peer('docker', 'buildx', 'imagetools', 'inspect', reference);
  const first = { ...inspect, before: forget };
  const cold = await measureInTurn({ first, crane }, rounds);
  const next = await measureInTurn({ inspect, crane, buildx }, rounds);
  const what = `image inspect --platform, ${ROUND_TRIP_MS} ms a round trip`;
  return [
    timeRow(what, next.inspect.median, ['crane manifest --platform', next.crane.median], 1),
    timeRow(what, next.inspect.median, ['docker buildx imagetools inspect', next.buildx.median], 1),
    timeRow(`the same, first time`, cold.first.median, ['crane manifest --platform', cold.crane.median]),
  ];
}

function countRow(what: string, { requests, connections }: Count, most?: number): Row {
  const value = `${requests} on ${connections} connections`;
  if (most === undefined) return { what, value };
  const met = requests <= most && connections <= 2;
  return { what, value, goal: { text: `≤ ${most} on 2`, met } };
}
