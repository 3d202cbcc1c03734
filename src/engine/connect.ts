import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type Docker from 'dockerode';
import { DeployerError, messageOf } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';

export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

const DEFAULT_SOCKET = '/var/run/docker.sock';
const PING_TIMEOUT_MS = 5000;

/**
 * Where the Docker Engine listens: DOCKER_HOST, else the usual socket, as docker itself looks for it.
 * @throws DeployerError `usage` for a DOCKER_HOST that is malformed, or of a kind that is not supported (ssh, TLS)
 */
export function engineAddress(env: Readonly<Record<string, string | undefined>>): EngineAddress {
  const host = env['DOCKER_HOST']?.trim();
  if (host === undefined || host === '') return { kind: 'unix', path: DEFAULT_SOCKET };
  if (host.startsWith('unix://')) {
    const path = host.slice('unix://'.length);
    if (path.startsWith('/')) return { kind: 'unix', path };
  }
  const tcp = /^(?:tcp|http):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?\/?$/.exec(host);
  if (tcp?.[1] !== undefined && !isSet(env['DOCKER_TLS_VERIFY'])) {
    return { kind: 'tcp', host: tcp[1].replace(/^\[|\]$/g, ''), port: Number(tcp[2] ?? 2375) };
  }
  throw new DeployerError('usage', `DOCKER_HOST: "${cleanLine(host, 80)}" can't be used`, {
    evidence: isSet(env['DOCKER_TLS_VERIFY']) ? ['DOCKER_TLS_VERIFY is set: TLS is not supported'] : [],
    suggestions: ['set it to unix:///PATH or tcp://HOST:PORT (without TLS)'],
  });
}

/** `unix:///var/run/docker.sock`, for people. */
export function formatEngineAddress(address: EngineAddress): string {
  return address.kind === 'unix' ? `unix://${address.path}` : `tcp://${address.host}:${address.port}`;
}

/**
 * A client of the engine, after it has answered a ping.
 * @throws DeployerError `engine_unavailable`
 */
export async function connectEngine(address: EngineAddress): Promise<Docker> {
  try {
    await ping(address);
  } catch (error) {
    throw new DeployerError(
      'engine_unavailable',
      `no Docker Engine answers at ${formatEngineAddress(address)}: ${cleanLine(messageOf(error))}`,
      { suggestions: ['start it, or set DOCKER_HOST to where it listens'], cause: error },
    );
  }
  const { default: Client } = await import('dockerode');
  return new Client(
    address.kind === 'unix'
      ? { socketPath: address.path }
      : { protocol: 'http', host: address.host, port: address.port },
  );
}

// By node:http, so that looking for an engine that is not there loads no client for it.
async function ping(address: EngineAddress): Promise<void> {
  const request = get({
    ...(address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port }),
    path: '/_ping',
    signal: AbortSignal.timeout(PING_TIMEOUT_MS),
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  if (response.statusCode !== 200) throw new Error(`its ping answered ${response.statusCode}`);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
