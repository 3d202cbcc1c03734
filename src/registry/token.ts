import type { HttpClient, HttpRequest, HttpResponse } from '../http/client.js';
import { withRetry, type RetryPolicy } from '../http/retry.js';
import { DeployerError } from '../lib/errors.js';
import { loginMends } from '../lib/login.js';
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
  /** As of `HttpRequest`. */
  readonly namedBy?: URL;
  readonly signal?: AbortSignal;
}

type Password = Pick<Credential & { kind: 'password' }, 'username' | 'password'>;

/** What an answer means that POST is not known there: then the token server is one of before OAuth2. */
const NO_POST: ReadonlySet<number> = new Set([404, 405]);

/**
 * Asks a token server: GET with Basic for a password, OAuth2 POST for an identity token, and GET where that is not
 * known (distribution's token and oauth2 specifications).
 * @throws DeployerError `registry_unauthorized`, `registry_denied`, `registry_rate_limited`, `registry_unavailable`
 */
export async function fetchToken(
  http: HttpClient,
  retry: RetryPolicy,
  request: TokenRequest,
): Promise<Token> {
  const { credential, signal } = request;
  const ask = (send: () => Promise<HttpResponse>): Promise<HttpResponse> =>
    withRetry(retry, send, signal === undefined ? {} : { signal });
  let response: HttpResponse;
  if (credential?.kind === 'identity-token') {
    const { token, username = '<token>' } = credential;
    response = await ask(() => postForToken(http, request, token));
    if (NO_POST.has(response.status)) {
      await response.discard();
      response = await ask(() => getToken(http, request, { username, password: token }));
    }
  } else {
    response = await ask(() =>
      getToken(http, request, credential?.kind === 'password' ? credential : undefined),
    );
  }
  if (response.status !== 200) throw await refused(response, request);
  return readToken(await response.text(TOKEN_ANSWER_LIMIT), response.headers['date'], request.realm);
}

function getToken(
  http: HttpClient,
  request: TokenRequest,
  password: Password | undefined,
): Promise<HttpResponse> {
  const url = new URL(request.realm);
  if (request.service !== undefined) url.searchParams.set('service', request.service);
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  if (password !== undefined) url.searchParams.set('account', password.username);
  return http.send({
    method: 'GET',
    url,
    headers: { accept: 'application/json' },
    ...(password === undefined ? {} : { authorization: basicAuthorization(password) }),
    ...reachOf(request),
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
    ...reachOf(request),
  });
}

function reachOf({ namedBy, signal }: TokenRequest): Pick<HttpRequest, 'namedBy' | 'signal'> {
  return {
    ...(namedBy === undefined ? {} : { namedBy }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** @param date of the answer, by the token server's own clock */
function readToken(text: string, date: string | undefined, realm: URL): Token {
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
  return { value: token, expiresIn: remainingLife(fields, date) };
}

/**
 * In seconds. `expires_in` counts from `issued_at`, which a token server that keeps its answers may have said a while
 * ago; both dates are by its clock, so that this one's may be wrong.
 */
function remainingLife(fields: Readonly<Record<string, unknown>>, date: string | undefined): number {
  const { expires_in: life, issued_at: issued } = fields;
  const expiresIn = typeof life === 'number' && life > 0 ? life : 60;
  const age = (Date.parse(date ?? '') - Date.parse(typeof issued === 'string' ? issued : '')) / 1000;
  // What is older than it may live comes of a clock that can't be trusted.
  return age > 0 && age < expiresIn ? expiresIn - age : expiresIn;
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
      suggestions: loginMends(credential, host),
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
