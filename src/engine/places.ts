import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeployerError } from '../lib/errors.js';
import { lineOfJsonFault } from '../lib/json-fault.js';
import { cleanLine } from '../lib/text.js';
import { parseEngineAddress, type EngineAddress, type EngineTls } from './address.js';

/** Where an engine may be, and who says so. */
export interface EnginePlace {
  readonly address: EngineAddress;
  readonly origin: string;
}

export interface EngineSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Whether Podman's socket will do, where there is no Docker. */
  readonly podman?: boolean;
}

/**
 * The places to look for an engine, as docker has them: DOCKER_HOST alone, else the context that DOCKER_CONTEXT or
 * config.json names alone, else the usual sockets in turn: the system's, rootless Docker's, Docker Desktop's, Podman's.
 * @throws DeployerError `usage` for an address, `config_invalid` for a context, that makes no sense
 */
export async function enginePlaces({
  env,
  home,
  podman = false,
}: EngineSurroundings): Promise<readonly EnginePlace[]> {
  const config = env['DOCKER_CONFIG'] || join(home, '.docker');
  const host = env['DOCKER_HOST']?.trim();
  if (host) {
    const tls = await tlsOfEnvironment(env, config);
    return [{ address: parseEngineAddress(host, 'DOCKER_HOST', tls), origin: 'DOCKER_HOST' }];
  }
  const context = env['DOCKER_CONTEXT'] || (await currentContext(config));
  if (context !== undefined && context !== '' && context !== 'default')
    return [await contextPlace(context, config)];
  const runtime = env['XDG_RUNTIME_DIR'];
  const inRuntime = (name: string): string[] => (runtime ? [join(runtime, name)] : []);
  const sockets: [origin: string, paths: string[]][] = [
    ['the usual socket', ['/var/run/docker.sock']],
    ['rootless Docker', inRuntime('docker.sock')],
    ['Docker Desktop', [join(home, '.docker/run/docker.sock'), join(home, '.docker/desktop/docker.sock')]],
    ['Podman', podman ? [...inRuntime('podman/podman.sock'), '/run/podman/podman.sock'] : []],
  ];
  return sockets.flatMap(([origin, paths]) =>
    paths.map((path) => ({ address: { kind: 'unix' as const, path }, origin })),
  );
}

/** DOCKER_TLS_VERIFY: with the files of DOCKER_CERT_PATH, else of docker's own folder. */
async function tlsOfEnvironment(
  env: EngineSurroundings['env'],
  config: string,
): Promise<EngineTls | undefined> {
  const verify = Boolean(env['DOCKER_TLS_VERIFY']);
  if (!verify && !env['DOCKER_TLS']) return undefined;
  return { ...(await readPems(env['DOCKER_CERT_PATH'] || config)), verify };
}

async function currentContext(config: string): Promise<string | undefined> {
  const file = join(config, 'config.json');
  const text = await readIfThere(file);
  if (text === undefined || text.trim() === '') return undefined;
  const { currentContext: name } = parseJson(text, file) as { readonly currentContext?: unknown };
  return typeof name === 'string' ? name : undefined;
}

/** A context lies in a folder that is named after the digest of its name. */
async function contextPlace(name: string, config: string): Promise<EnginePlace> {
  const shown = cleanLine(name, 60);
  const id = createHash('sha256').update(name).digest('hex');
  const file = join(config, 'contexts/meta', id, 'meta.json');
  const text = await readIfThere(file);
  if (text === undefined) {
    throw new DeployerError('usage', `docker's context "${shown}" is not there`, {
      evidence: [`looked for ${file}`],
      suggestions: ['see which there are: docker context ls', 'go without: DOCKER_CONTEXT=default'],
    });
  }
  const { Endpoints: endpoints } = parseJson(text, file) as ContextMeta;
  const { Host: host, SkipTLSVerify: skipVerify } = endpoints?.docker ?? {};
  const origin = `the context "${shown}"`;
  if (typeof host !== 'string' || host === '') throw invalid(`${file}: it names no Docker Engine`);
  const pems = await readPems(join(config, 'contexts/tls', id, 'docker'));
  const tls = Object.keys(pems).length > 0 ? { ...pems, verify: skipVerify !== true } : undefined;
  return { address: parseEngineAddress(host, `${file}: Host`, tls), origin };
}

interface ContextMeta {
  readonly Endpoints?: { readonly docker?: { readonly Host?: unknown; readonly SkipTLSVerify?: unknown } };
}

async function readPems(folder: string): Promise<Omit<EngineTls, 'verify'>> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readIfThere(join(folder, name))),
  );
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function parseJson(text: string, file: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // V8's message may quote the text, which may hold credentials.
    throw invalid(`${file}:${lineOfJsonFault(text)}: it is not JSON`);
  }
  if (typeof value !== 'object' || value === null) throw invalid(`${file}: it is not a JSON object`);
  return value;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw invalid(`${path} can't be read (${code ?? 'unknown error'})`, error);
  }
}

function invalid(message: string, cause?: unknown): DeployerError {
  return new DeployerError('config_invalid', message, {
    suggestions: ['mend the file, or set DOCKER_HOST, which goes before it'],
    cause,
  });
}
