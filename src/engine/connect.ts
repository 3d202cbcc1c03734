import { once } from 'node:events';
import { request as requestHttp, type Agent, type IncomingMessage } from 'node:http';
import type Docker from 'dockerode';
import { DeployerError, messageOf } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import { formatEngineAddress, type EngineAddress } from './address.js';
import { DialStdioAgent } from './dial-stdio.js';
import { enginePlaces, type EngineSurroundings } from './places.js';

export interface ConnectedEngine {
  readonly docker: Docker;
  readonly address: EngineAddress;
}

const PING_TIMEOUT_MS = 5000;
/** Another machine has to be reached, and logged in to. */
const FAR_PING_TIMEOUT_MS = 30_000;

const FILES_NEED_NONE =
  'an image that is built already needs no engine: deployer deploy --image oci:DIR, or docker-archive:FILE';

/**
 * A client of the first engine that answers a ping, of the places where docker would look for one.
 * @param instead what can be done without one, as a suggestion
 * @throws DeployerError `engine_unavailable`, with every place and why it was not there; `usage`, `config_invalid`
 */
export async function connectEngine(
  surroundings: EngineSurroundings,
  instead = FILES_NEED_NONE,
): Promise<ConnectedEngine> {
  const refusals: string[] = [];
  const causes: unknown[] = [];
  for (const { address, origin } of await enginePlaces(surroundings)) {
    const way = await wayTo(address, surroundings);
    try {
      await ping(way, address.kind === 'unix' ? PING_TIMEOUT_MS : FAR_PING_TIMEOUT_MS);
    } catch (error) {
      refusals.push(`${origin}, ${formatEngineAddress(address)}: ${reasonOf(error)}`);
      causes.push(error);
      continue;
    }
    const { default: Client } = await import('dockerode');
    return { docker: new Client(clientOptions(way)), address };
  }
  throw new DeployerError('engine_unavailable', 'no Docker Engine answers', {
    evidence: refusals,
    suggestions: [...mendsOf(refusals, surroundings), instead],
    ...(causes.length === 1 ? { cause: causes[0] } : {}),
  });
}

type Way =
  | { readonly socketPath: string }
  | {
      readonly protocol: 'http' | 'https';
      readonly host: string;
      readonly port: number;
      readonly agent?: Agent;
    };

async function wayTo(address: EngineAddress, { env }: EngineSurroundings): Promise<Way> {
  if (address.kind === 'unix') return { socketPath: address.path };
  if (address.kind === 'ssh') {
    // The host is ssh's business; to HTTP it is just some name.
    return { protocol: 'http', host: 'docker', port: 80, agent: new DialStdioAgent(address, env) };
  }
  const { host, port, tls } = address;
  if (tls === undefined) return { protocol: 'http', host, port };
  const { Agent: TlsAgent } = await import('node:https');
  const { verify, ...pems } = tls;
  return { protocol: 'https', host, port, agent: new TlsAgent({ ...pems, rejectUnauthorized: verify }) };
}

/** docker-modem takes what it is not told from the environment: everything is told. */
function clientOptions(way: Way): Docker.DockerOptions {
  const none = { socketPath: undefined, host: undefined, port: undefined, agent: undefined };
  const unset = { ...none, ca: undefined, cert: undefined, key: undefined, timeout: undefined };
  return { ...unset, protocol: 'http', ...way };
}

// By node:http, so that looking for an engine that is not there loads no client for it.
async function ping(way: Way, timeoutMs: number): Promise<void> {
  const { protocol = 'http', ...rest } = { ...way } as Partial<Exclude<Way, { socketPath: string }>>;
  const request = protocol === 'https' ? (await import('node:https')).request : requestHttp;
  const sent = request({ ...rest, path: '/_ping', signal: AbortSignal.timeout(timeoutMs) });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  if (response.statusCode !== 200) throw new Error(`its ping answered ${response.statusCode}`);
}

function reasonOf(error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  if (code === 'ENOENT') return 'there is no such socket';
  if (code === 'EACCES') return 'no permission';
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  if (code === 'ABORT_ERR') return 'no answer in time';
  return cleanLine(messageOf(error));
}

function mendsOf(refusals: readonly string[], { env, podman = false }: EngineSurroundings): string[] {
  const denied = refusals.some((line) => line.endsWith('no permission'));
  return [
    denied
      ? 'let your account use it: sudo usermod -aG docker "$USER", and log in again'
      : 'start it: sudo systemctl start docker, or Docker Desktop',
    ...(podman
      ? [
          'or Podman: systemctl --user start podman.socket; DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock',
        ]
      : []),
    env['DOCKER_HOST']?.trim()
      ? 'DOCKER_HOST is set, and nothing else is looked for: mend it, or unset it for the usual sockets'
      : 'or set DOCKER_HOST to where it listens: unix:///PATH, tcp://HOST:PORT, ssh://USER@HOST',
  ];
}
