import { resolve } from 'node:path';
import { DeployerError, messageOf } from '../lib/errors.js';
import { isLoopbackHost } from '../lib/loopback.js';
import { readBounded } from './bounded-file.js';

const DEFAULT_URL = 'https://api.machines.dev';
const URL_VARIABLES = ['DEPLOYER_API_URL', 'FLY_FLAPS_BASE_URL'] as const;
const TOKEN_VARIABLES = ['DEPLOYER_API_TOKEN', 'FLY_ACCESS_TOKEN', 'FLY_API_TOKEN'] as const;
/**
 * How to get at the token of the one API that is on this machine.
 * @param source where it is read from, if that is known: `--token-file` goes before every variable
 */
export function emulatorToken(source = 'DEPLOYER_API_TOKEN'): string {
  return source === '--token-file'
    ? "name the file with the emulator's token: --token-file FILE (the file token of its data folder: deployer emulator start prints where)"
    : `put the token of the emulator into ${source}: deployer emulator start prints the line for it (its data folder keeps it in the file token)`;
}

const LARGEST_TOKEN_FILE = 64 * 1024;

export interface ApiFlags {
  readonly 'api-url'?: string | undefined;
  readonly 'token-file'?: string | undefined;
}

export interface ApiCredentials {
  /** Without a slash at its end. */
  readonly url: string;
  /** The value of the Authorization header: for `url`'s origin and no other. */
  readonly authorization: string;
  /** Where the token came from: `FLY_API_TOKEN`, `--token-file`. */
  readonly source: string;
}

export interface ApiInputs {
  readonly flags: ApiFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  /** Told the token, so that nothing that leaves can hold it (lib/redact). */
  readonly keepSecret: (token: string) => void;
}

/**
 * Where the deploy API is, and the token for it.
 * @throws DeployerError `usage` (a URL or token that can't be used), `api_unauthorized` (no token)
 */
export async function apiCredentials(inputs: ApiInputs): Promise<ApiCredentials> {
  const url = apiUrl(inputs);
  const { token, from } = await readToken(inputs, isLoopbackHost(new URL(url).hostname));
  inputs.keepSecret(token);
  return { url, authorization: authorizationOf(token, from), source: from };
}

function apiUrl({ flags, env }: ApiInputs): string {
  const variable = URL_VARIABLES.find((name) => env[name]);
  const from = flags['api-url'] !== undefined ? '--api-url' : (variable ?? 'the default');
  const text = flags['api-url'] ?? (variable === undefined ? DEFAULT_URL : (env[variable] ?? ''));
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const refuse = (why: string, suggestions: readonly string[] = []) =>
    new DeployerError('usage', `${from}: ${why}`, { suggestions });
  // A URL that is refused is not repeated: it may hold a password.
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw refuse('the API is named by a URL that begins with https:// (or http://, on this machine)', [
      withScheme(text) ?? `for example ${DEFAULT_URL}`,
    ]);
  }
  if (url.username !== '' || url.password !== '') {
    throw refuse('a URL must not hold credentials', [
      'give the token in DEPLOYER_API_TOKEN or with --token-file',
    ]);
  }
  if (url.search !== '' || url.hash !== '') throw refuse('the URL of an API has no query and no fragment');
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    throw refuse(`the token would go to ${url.host} unencrypted; plain http is for this machine only`, [
      `write https://${url.host}`,
    ]);
  }
  return url.href.replace(/\/+$/, '');
}

/** The mend of an address that lacks its scheme alone. */
function withScheme(text: string): string | undefined {
  if (!/^[\w.-]+(?::\d{1,5})?$|^\[[\da-f:]+\](?::\d{1,5})?$/i.test(text)) return undefined;
  const url = `http://${text}`;
  if (!URL.canParse(url)) return undefined;
  return `write ${isLoopbackHost(new URL(url).hostname) ? url : `https://${text}`}`;
}

async function readToken(
  { flags, env, cwd }: ApiInputs,
  isLocal: boolean,
): Promise<{ token: string; from: string }> {
  const file = flags['token-file'];
  if (file !== undefined) return { token: await tokenFromFile(file, cwd), from: '--token-file' };
  const variable = TOKEN_VARIABLES.find((name) => env[name]?.trim());
  if (variable === undefined) {
    throw new DeployerError('api_unauthorized', 'there is no token for the deploy API', {
      evidence: [`neither --token-file nor ${TOKEN_VARIABLES.join(', ')} is set`],
      suggestions: [
        isLocal ? emulatorToken() : 'put the output of fly tokens create deploy into FLY_API_TOKEN',
        'or name a file with --token-file FILE',
      ],
    });
  }
  return { token: (env[variable] ?? '').trim(), from: variable };
}

async function tokenFromFile(file: string, cwd: string): Promise<string> {
  if (file === '') throw new DeployerError('usage', '--token-file is empty; expected a file');
  let token: string;
  try {
    token = (await readBounded(resolve(cwd, file), LARGEST_TOKEN_FILE)).toString('utf8').trim();
  } catch (error) {
    throw new DeployerError('usage', `--token-file ${file} can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (token === '') throw new DeployerError('usage', `--token-file: ${file} is empty`);
  return token;
}

// Macaroons have a scheme of their own; `fly tokens create` prints it in front of them.
function authorizationOf(token: string, from: string): string {
  const bare = token.replace(/^(?:FlyV1|Bearer)\s+/i, '');
  // Also what keeps a line break out of the header.
  if (!/^[\x21-\x7e]{1,16384}$/.test(bare)) {
    throw new DeployerError('usage', `${from}: a token is one word of printable characters`);
  }
  return /^(?:fm1r|fm1a|fm2)_/.test(bare) || /^FlyV1\s/i.test(token) ? `FlyV1 ${bare}` : `Bearer ${bare}`;
}
