import { DeployerError } from '../../lib/errors.js';
import { lineOfJsonFault } from '../../lib/json-fault.js';
import { AUTH_VARIABLE, mendVariable } from '../../lib/login.js';
import type { Credential } from './credential.js';
import { serverAddressOf } from './credential.js';

/** docker's config.json and podman's auth.json, as far as credentials go. */
export interface AuthFile {
  /** Where it was read, for messages: a path, or `DOCKER_AUTH_CONFIG`. */
  readonly source: string;
  readonly auths: Readonly<Record<string, AuthEntry>>;
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/** @throws DeployerError `credentials_invalid`, naming the source and the line */
export function parseAuthFile(text: string, source: string): AuthFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // V8's message may quote the text, which holds passwords: it is not passed on.
    throw invalid(`${source}:${lineOfJsonFault(text)}: it is not JSON`, source);
  }
  const file = record(value);
  if (file === undefined) throw invalid(`${source}: it is not a JSON object`, source);
  const store = file['credsStore'];
  return {
    source,
    auths: (record(file['auths']) ?? {}) as Record<string, AuthEntry>,
    credHelpers: (record(file['credHelpers']) ?? {}) as Record<string, string>,
    ...(typeof store === 'string' && store !== '' ? { credsStore: store } : {}),
  };
}

function invalid(message: string, source: string): DeployerError {
  return new DeployerError('credentials_invalid', message, {
    suggestions: [
      source === AUTH_VARIABLE ? mendVariable() : `mend ${source}, or move it away and log in again`,
    ],
  });
}

/** The helper that this file names for a host: its own before the general one (docker/cli). */
export function helperFor(file: AuthFile, host: string): string | undefined {
  const own = file.credHelpers[serverAddressOf(host)] ?? file.credHelpers[host];
  return typeof own === 'string' ? own : file.credsStore;
}

/**
 * The credential in the file itself. Keys may be a host, or a URL of old docker versions; podman's may go on with a
 * path, and the longest that fits wins.
 */
export function entryFor(file: AuthFile, host: string, path: string): Credential | undefined {
  const wanted = host === 'docker.io' ? ['index.docker.io', 'docker.io', 'registry-1.docker.io'] : [host];
  let best: { length: number; entry: AuthEntry } | undefined;
  for (const [key, entry] of Object.entries(file.auths)) {
    const [keyHost, keyPath] = splitKey(key);
    if (!wanted.includes(keyHost) || record(entry) === undefined) continue;
    const fits = keyPath === '' || path === keyPath || path.startsWith(`${keyPath}/`);
    if (fits && (best === undefined || keyPath.length > best.length))
      best = { length: keyPath.length, entry };
  }
  return best === undefined ? undefined : readEntry(best.entry, file.source, host);
}

function splitKey(key: string): [host: string, path: string] {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
  const slash = bare.indexOf('/');
  return slash === -1 ? [bare, ''] : [bare.slice(0, slash), bare.slice(slash + 1)];
}

function readEntry(entry: AuthEntry, source: string, host: string): Credential | undefined {
  const { identitytoken, registrytoken, auth, username, password } = entry;
  if (isText(identitytoken)) {
    const [name] = isText(auth) ? decodeAuth(auth).split(':') : [username];
    return {
      kind: 'identity-token',
      token: identitytoken,
      source,
      ...(isText(name) ? { username: name } : {}),
    };
  }
  if (isText(registrytoken)) return { kind: 'registry-token', token: registrytoken, source };
  if (isText(username) && isText(password)) return { kind: 'password', username, password, source };
  if (!isText(auth)) return undefined;
  const decoded = decodeAuth(auth);
  const colon = decoded.indexOf(':');
  if (colon < 1) {
    throw new DeployerError(
      'credentials_invalid',
      `${source}: the "auth" of ${host} is not base64 of USER:PASSWORD`,
      {
        suggestions: [source === AUTH_VARIABLE ? mendVariable() : `log in again: docker login ${host}`],
      },
    );
  }
  return { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1), source };
}

function decodeAuth(auth: string): string {
  return Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
