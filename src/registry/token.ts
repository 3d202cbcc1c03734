import type { HttpClient, HttpResponse } from '../http/client.js';
import { withRetry, type RetryPolicy } from '../http/retry.js';
import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import { readErrors } from './answer.js';
import { basicAuthorization, type Credential } from './credentials/credential.js';

const TOKEN_ANSWER_LIMIT = 128 * 1024;
/** What a refusal says is shown in one line: its beginning is enough. */
const REFUSAL_LIMIT = 4096;

export interface Token {
  readonly value: string;
  /** seconds */
  readonly expiresIn: number;
}

export interface TokenRequest {
  /** docker's name of the registry that the token is for. */
  readonly host: string;
  readonly realm: URL;
  readonly service?: string;
  readonly scopes: readonly string[];
  readonly credential?: Credential;
  readonly signal?: AbortSignal;
}

/**
 * Asks a token server: GET with Basic for a password, OAuth2 POST for an identity token (distribution's token and
 * oauth2 specifications).
 * @throws DeployerError `registry_unauthorized`, `registry_denied`, `registry_rate_limited`, `registry_unavailable`
 */
export async function fetchToken(
  http: HttpClient,
  retry: RetryPolicy,
  request: TokenRequest,
): Promise<Token> {
  const { credential, signal } = request;
  const ask = (): Promise<HttpResponse> =>
    credential?.kind === 'identity-token'
      ? postForToken(http, request, credential.token)
      : getToken(http, request);
  const response = await withRetry(retry, ask, signal === undefined ? {} : { signal });
  if (response.status !== 200) throw await refused(response, request);
  return readToken(await response.text(TOKEN_ANSWER_LIMIT), request.realm);
}

function getToken(
  http: HttpClient,
  { realm, service, scopes, credential, signal }: TokenRequest,
): Promise<HttpResponse> {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credential?.kind === 'password') url.searchParams.set('account', credential.username);
  return http.send({
    method: 'GET',
    url,
    headers: { accept: 'application/json' },
    ...(credential?.kind === 'password' ? { authorization: basicAuthorization(credential) } : {}),
    ...(signal === undefined ? {} : { signal }),
  });
}

function postForToken(http: HttpClient, request: TokenRequest, identityToken: string): Promise<HttpResponse> {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: identityToken,
    client_id: 'deployer',
    scope: request.scopes.join(' '),
    ...(request.service === undefined ? {} : { service: request.service }),
  });
  return http.send({
    method: 'POST',
    url: request.realm,
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
}

function readToken(text: string, realm: URL): Token {
  const fields = asRecord(text);
  const token = fields['token'] || fields['access_token'];
  // A token goes into a header: what could end the header line is no token.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new DeployerError('not_a_registry', `the token server ${realm.host} answered without a token`, {
      suggestions: [
        "check the registry's host name; a login page or a proxy may stand before its token server",
      ],
    });
  }
  const expiresIn = fields['expires_in'];
  return { value: token, expiresIn: typeof expiresIn === 'number' && expiresIn > 0 ? expiresIn : 60 };
}

/** In a line: a registry's errors, OAuth2's (RFC 6749, 5.2), or the text as it is. */
function wordsOf(text: string): string {
  const errors = readErrors(text).map(({ code, message }) => `${code}: ${message}`);
  const fields = asRecord(text);
  const own = [fields['error'], fields['error_description'], fields['details'], fields['message']];
  const words = [...errors, ...own.filter((word) => typeof word === 'string')];
  return cleanLine(words.length === 0 ? text : words.join('; '), 160);
}

async function refused(
  response: HttpResponse,
  { host, realm, credential }: TokenRequest,
): Promise<DeployerError> {
  const { status } = response;
  const said = wordsOf((await response.start(REFUSAL_LIMIT)).toString('utf8'));
  const evidence = [`${realm.origin}${realm.pathname} answered ${status}${said === '' ? '' : `: ${said}`}`];
  if (status === 429) {
    return new DeployerError(
      'registry_rate_limited',
      `the token server ${realm.host} limits how often it is asked`,
      {
        evidence,
        suggestions: [`wait a while, or log in: docker login ${host}`],
      },
    );
  }
  if (status === 401 || status === 403) {
    const who =
      credential === undefined ? 'without credentials' : `with the credentials from ${credential.source}`;
    const code = status === 401 ? 'registry_unauthorized' : 'registry_denied';
    return new DeployerError(code, `the token server ${realm.host} refused to give a token ${who}`, {
      evidence,
      suggestions: [`log in again: docker login ${host}`, 'in CI: set the variable DOCKER_AUTH_CONFIG'],
    });
  }
  return new DeployerError('registry_unavailable', `the token server ${realm.host} failed`, {
    evidence,
    suggestions: ["try again in a moment; the registry's status page may tell more"],
  });
}

/** Empty when it is no JSON object. */
function asRecord(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {};
  }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
