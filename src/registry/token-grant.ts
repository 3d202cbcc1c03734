import { cleanLine } from '../lib/text.js';
import type { Token, TokenRequest } from './token.js';

/** What a token server gave, as far as it can be said without the token itself. */
export interface TokenGrant {
  /** docker's name of the registry. */
  readonly host: string;
  /** Where the token came from, without a query. */
  readonly realm: string;
  readonly service?: string;
  /** Where the credentials were found that it was asked with; undefined: with none. */
  readonly credentials?: string;
  /** `repository:app:pull` */
  readonly asked: readonly string[];
  /** The same for what was given; `opaque` when the token keeps it to itself. */
  readonly granted: readonly string[] | 'opaque';
  /** When it counts, by the token server's clock (RFC 7519: `iat`, `nbf`, `exp`), in milliseconds since the epoch. */
  readonly issuedAt?: number;
  readonly notBefore?: number;
  readonly expiresAt?: number;
}

/** More claims than any client asks for. */
const MOST_SCOPES = 50;

/**
 * Of a token that is a JWT (distribution's token specification, "access") its claims are read, without checking its
 * signature: they explain a refusal, and nothing is decided by them. Any other token is opaque.
 */
export function grantOf(
  { host, realm, service, credential, scopes }: TokenRequest,
  { value }: Pick<Token, 'value'>,
): TokenGrant {
  const claims = payloadOf(value);
  return {
    host,
    realm: `${realm.origin}${realm.pathname}`,
    ...(service === undefined ? {} : { service: cleanLine(service, 100) }),
    ...(credential === undefined ? {} : { credentials: credential.source }),
    asked: scopes,
    granted: claims === undefined ? 'opaque' : grantedBy(claims['access']),
    ...(claims === undefined ? {} : timesIn(claims)),
  };
}

/** What was asked for and not given: a pull that is missing here becomes a 401 at the registry. */
export function notGranted({ asked, granted }: Pick<TokenGrant, 'asked' | 'granted'>): string[] {
  if (granted === 'opaque') return [];
  const given = new Map<string, Set<string>>();
  for (const scope of granted) {
    const { subject, actions } = splitScope(scope);
    given.set(subject, new Set([...(given.get(subject) ?? []), ...actions]));
  }
  return asked.flatMap((scope) => {
    const { subject, actions } = splitScope(scope);
    const has = given.get(subject);
    const lacking = actions.filter((action) => has?.has(action) !== true && has?.has('*') !== true);
    return lacking.length === 0 ? [] : [`${subject}:${lacking.join(',')}`];
  });
}

function splitScope(scope: string): { readonly subject: string; readonly actions: readonly string[] } {
  const colon = scope.lastIndexOf(':');
  return {
    subject: scope.slice(0, colon),
    actions: scope
      .slice(colon + 1)
      .split(',')
      .filter(Boolean),
  };
}

function payloadOf(token: string): Readonly<Record<string, unknown>> | undefined {
  const [header, payload, signature, more] = token.split('.');
  if (!header || !payload || signature === undefined || more !== undefined) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Three parts, but no JWT.
    return undefined;
  }
}

function grantedBy(access: unknown): readonly string[] | 'opaque' {
  // Not there: other claims say it (Azure's `permissions`), or the server looks it up. Null is Go's empty list.
  if (access === undefined) return 'opaque';
  if (!Array.isArray(access)) return access === null ? [] : 'opaque';
  return access.slice(0, MOST_SCOPES).flatMap((entry: unknown) => {
    const { type, name, actions } = (entry ?? {}) as Record<string, unknown>;
    if (typeof type !== 'string' || typeof name !== 'string' || !Array.isArray(actions)) return [];
    const words = actions.slice(0, 20).filter((action) => typeof action === 'string');
    return words.length === 0 ? [] : [cleanLine(`${type}:${name}:${words.join(',')}`, 400)];
  });
}

/** The latest time that a date can be, in seconds: what is beyond is no time. */
const LAST_SECOND = 8.64e12;

function timesIn(
  claims: Readonly<Record<string, unknown>>,
): Pick<TokenGrant, 'issuedAt' | 'notBefore' | 'expiresAt'> {
  const times = Object.entries({ issuedAt: 'iat', notBefore: 'nbf', expiresAt: 'exp' }).flatMap(
    ([name, claim]) => {
      const seconds = claims[claim];
      const isTime = typeof seconds === 'number' && seconds >= 0 && seconds <= LAST_SECOND;
      return isTime ? [[name, Math.round(seconds * 1000)] as const] : [];
    },
  );
  return Object.fromEntries(times);
}
