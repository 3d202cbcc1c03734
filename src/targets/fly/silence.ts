import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { ReleaseContext } from '../target.js';
import { failingChecks } from './health.js';
import type { ListenSocket, Machine } from './machine.js';
import type { MachinesApi } from './machines-api.js';

/** What a check says that reached the machine and met nobody on the port. */
const NOBODY_THERE = /refused|nothing listens|socket hang up|ECONNRESET|connection reset/i;
const LOOPBACK = /^(?:127\.|\[?::1\]?:|localhost:)/;

interface Sources {
  readonly api: MachinesApi;
  readonly exposedPorts: ReleaseContext['exposedPorts'];
}

/**
 * Says why a machine's checks were never answered, where that can be found out: no process listens on the port that
 * the service names. Asks for what its processes listen on, and what the image says that it exposes.
 * @param error what ended the wait; whatever else it is comes back as it is
 */
export async function explainSilence(
  error: unknown,
  machine: Machine | undefined,
  sources: Sources,
): Promise<unknown> {
  if (!(error instanceof DeployerError) || error.code !== 'timed_out') return error;
  // In one that never started there is no process yet that could listen.
  if (machine?.state !== 'started') return error;
  const silent = failingChecks(machine).find(({ output }) => NOBODY_THERE.test(output ?? ''));
  const port = silent && portOf(silent.name, machine);
  if (port === undefined) return error;
  const [sockets, exposed] = await Promise.all([listening(machine, sources), exposedBy(sources)]);
  const others = sockets
    .filter((socket) => socket.port !== port && !socket.loopback)
    .map(({ port: at }) => at);
  const onLoopback = sockets.some((socket) => socket.port === port && socket.loopback);
  return new DeployerError(error.code, `${error.message}: nothing answers on port ${port}`, {
    cause: error,
    evidence: [
      `internal_port of the service: ${port}; its check: ${cleanLine(silent?.output ?? '', 160)}`,
      ...sockets.map(({ address }) => `a process in the machine listens on ${address}`),
      ...(exposed.length > 0 ? [`the image exposes ${exposed.join(', ')}`] : []),
      ...error.evidence,
    ],
    suggestions: [
      ...(onLoopback ? [`let the app listen on 0.0.0.0:${port}, not on its loopback address alone`] : []),
      ...otherPorts(onLoopback ? [] : [...others, ...exposed], port),
      ...(onLoopback ? [] : [`or let the app listen on 0.0.0.0:${port}`]),
      ...error.suggestions,
    ],
  });
}

/** `servicecheck-00-http-8080` ends in its port; a check with a name of its own asks the service's. */
function portOf(check: string, { config }: Machine): number | undefined {
  const named = /^servicecheck-\d+-\w+-(\d{1,5})$/.exec(check)?.[1];
  return named === undefined ? (config?.services?.[0]?.internal_port ?? undefined) : Number(named);
}

function otherPorts(candidates: readonly number[], port: number): string[] {
  const [other] = candidates.filter((candidate) => candidate !== port);
  return other === undefined
    ? ['set the port that the app listens on: internal_port under [http_service]']
    : [`set the port that the app listens on: internal_port = ${other} under [http_service]`];
}

interface Listening {
  readonly address: string;
  readonly port: number;
  readonly loopback: boolean;
}

async function listening({ id }: Machine, { api }: Sources): Promise<readonly Listening[]> {
  // It only adds to an error: what keeps it from being known is no failure of its own.
  const sockets = await api.listenSockets(id).catch(() => undefined);
  return (sockets ?? []).flatMap(readSocket);
}

function readSocket({ address, proto }: ListenSocket): Listening[] {
  const port = Number(/:(\d{1,5})$/.exec(address)?.[1]);
  if (!Number.isInteger(port) || (proto && !proto.startsWith('tcp'))) return [];
  return [{ address: cleanLine(address, 60), port, loopback: LOOPBACK.test(address) }];
}

async function exposedBy({ exposedPorts }: Sources): Promise<readonly number[]> {
  return (await exposedPorts?.().catch(() => [])) ?? [];
}
