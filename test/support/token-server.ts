import { createPrivateKey, randomUUID, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { makeSelfSigned, type Certificates } from './certificates.js';
import { libtrustJwk, libtrustKeyId } from './libtrust.js';
import { makeTempFolder } from './temp-folder.js';

export interface TokenServerOptions {
  /** User name to password. Who is in here gets every action asked for. */
  readonly accounts?: Readonly<Record<string, string>>;
  /** Refresh tokens of the OAuth2 form (POST); each gets every action asked for. */
  readonly refreshTokens?: readonly string[];
  /** Actions granted without credentials; none unless told. With none, no credentials means 401. */
  readonly anonymous?: readonly string[];
  readonly algorithm?: 'RS256' | 'ES256';
  /** How the JWT names its key. */
  readonly keyHeader?: 'x5c' | 'jwk' | 'kid';
  /** The answer's field that holds the token. */
  readonly field?: 'token' | 'access_token';
  /** seconds; the answer's `expires_in` is left out with `undefined` */
  readonly expiresIn?: number;
  /** seconds that its clock is ahead of this machine's, by which it signs; behind when negative */
  readonly clockAheadBy?: number;
  /** Keeps its answers: what it gives was issued this many seconds ago (`issued_at`). */
  readonly issuedAgo?: number;
  /** One of before OAuth2: a POST is answered 405. */
  readonly getOnly?: boolean;
  readonly tls?: Certificates;
}

export interface TokenRequest {
  readonly method: string;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly authorization: string | undefined;
  /** The form of a POST. */
  readonly form: Readonly<Record<string, string>> | undefined;
}

export interface TokenServer extends AsyncDisposable {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM of the signing key's certificate, for the registry's `rootcertbundle` */
  readonly certificateFile: string;
  /** All requests so far. */
  readonly requests: readonly TokenRequest[];
  /** A token as this server would sign it, e.g. one that has expired. */
  sign(scopes: readonly string[], expiresInSeconds: number): string;
  stop(): Promise<void>;
}

const SERVICE = 'deployer-test-registry';
const ISSUER = 'deployer-test-token-server';

interface SigningKey {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** A token server as distribution's specification says (docs/spec/auth): GET with Basic or none, POST OAuth2. */
export async function startTokenServer(options: TokenServerOptions = {}): Promise<TokenServer> {
  const folder = await makeTempFolder('token-server');
  const keyFile = join(folder.path, 'signing.key');
  const certificateFile = join(folder.path, 'signing.pem');
  const algorithm = options.algorithm ?? 'ES256';
  await makeSelfSigned({
    subject: `/CN=${ISSUER}`,
    keyFile,
    certFile: certificateFile,
    key: algorithm === 'ES256' ? 'ec' : 'rsa',
  });
  const signing: SigningKey = {
    key: createPrivateKey(await readFile(keyFile)),
    certificate: new X509Certificate(await readFile(certificateFile)),
  };
  const requests: TokenRequest[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response, { options, signing, requests }).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  };
  const server = options.tls
    ? createTlsServer(
        { cert: await readFile(options.tls.certFile), key: await readFile(options.tls.keyFile) },
        answer,
      )
    : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await folder.remove();
  };
  return {
    realm: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}/token`,
    service: SERVICE,
    issuer: ISSUER,
    certificateFile,
    requests,
    sign: (scopes, expiresIn) => makeToken(signing, options, accessOf(scopes), 'test', expiresIn),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Context {
  readonly options: TokenServerOptions;
  readonly signing: SigningKey;
  readonly requests: TokenRequest[];
}

async function handle(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const { options, signing, requests } = context;
  const url = new URL(request.url ?? '/', 'http://token-server');
  const form = request.method === 'POST' ? new URLSearchParams(await text(request)) : undefined;
  const parameters = form ?? url.searchParams;
  const asked: TokenRequest = {
    method: request.method ?? '',
    service: parameters.get('service') ?? undefined,
    // Several scopes: repeated in a query, separated by spaces in a form (RFC 6749, 3.3).
    scopes: parameters.getAll('scope').flatMap((scope) => scope.split(' ')),
    authorization: request.headers.authorization,
    form: form && Object.fromEntries(form),
  };
  requests.push(asked);
  if (options.getOnly === true && request.method !== 'GET') {
    response.writeHead(405, { allow: 'GET' }).end();
    return;
  }
  const actions = actionsFor(asked, options);
  if (url.pathname !== '/token' || actions === undefined) {
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}\n');
    return;
  }
  const access = accessOf(asked.scopes)
    .map((one) => ({ ...one, actions: one.actions.filter((a) => actions === 'all' || actions.includes(a)) }))
    .filter((one) => one.actions.length > 0);
  const lifetime = options.expiresIn ?? 300;
  const token = makeToken(signing, options, access, actions === 'all' ? 'account' : '', lifetime);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      [options.field ?? 'token']: token,
      ...(options.expiresIn !== undefined && { expires_in: options.expiresIn }),
      ...(options.issuedAgo !== undefined && {
        issued_at: new Date(Date.now() - options.issuedAgo * 1000).toISOString(),
      }),
    }),
  );
}

/** What the asker may do; undefined: wrong credentials, or none where some are needed. */
function actionsFor(asked: TokenRequest, options: TokenServerOptions): readonly string[] | 'all' | undefined {
  if (asked.form?.['grant_type'] === 'refresh_token') {
    return options.refreshTokens?.includes(asked.form['refresh_token'] ?? '') ? 'all' : undefined;
  }
  const basic = /^Basic (.+)$/i.exec(asked.authorization ?? '')?.[1];
  if (asked.authorization === undefined) return options.anonymous;
  if (basic === undefined) return undefined;
  const [, user, password] = /^([^:]*):([\s\S]*)$/.exec(Buffer.from(basic, 'base64').toString()) ?? [];
  return user !== undefined && options.accounts?.[user] === password ? 'all' : undefined;
}

/** `repository:team/app:pull,push` */
function accessOf(scopes: readonly string[]): Access[] {
  return scopes.map((scope) => {
    const [, type = '', name = '', actions = ''] = /^([^:]+):(.+):([^:]*)$/.exec(scope) ?? [];
    return { type, name, actions: actions.split(',') };
  });
}

function makeToken(
  { key, certificate }: SigningKey,
  options: TokenServerOptions,
  access: readonly Access[],
  subject: string,
  expiresIn: number,
): string {
  const algorithm = options.algorithm ?? 'ES256';
  const naming = {
    x5c: { x5c: [certificate.raw.toString('base64')] },
    jwk: { jwk: libtrustJwk(key) },
    kid: { kid: libtrustKeyId(key) },
  }[options.keyHeader ?? 'kid'];
  const now = Math.floor(Date.now() / 1000) + (options.clockAheadBy ?? 0);
  const claims = {
    ...{ iss: ISSUER, sub: subject, aud: SERVICE, jti: randomUUID(), access },
    ...{ iat: now, nbf: now - 5, exp: now + expiresIn },
  };
  const input = [{ typ: 'JWT', alg: algorithm, ...naming }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}
