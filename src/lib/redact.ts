import { cleanLine } from './text.js';

const MASK = '***';

/** Variables whose whole value is a secret. */
const SECRET_VARIABLES = ['DEPLOYER_API_TOKEN', 'FLY_ACCESS_TOKEN', 'FLY_API_TOKEN'] as const;

// Replacing a value of a few letters would garble every text and hide nothing.
const SHORTEST_SECRET = 6;

/** Takes secrets out of text before it leaves: known values, and what looks like a credential in any text. */
export class Redactor {
  readonly #secrets = new Set<string>();

  /** @param argv may hold credentials before a host (`user:password@host/image`): they are not to be repeated */
  static fromEnvironment(
    env: Readonly<Record<string, string | undefined>>,
    argv: readonly string[] = [],
  ): Redactor {
    const redactor = new Redactor();
    for (const name of SECRET_VARIABLES) redactor.add(env[name] ?? '');
    for (const word of argv) {
      const userinfo = word.slice(0, userinfoEnd(word));
      // Short ones too: with the name before and the @ after them they are no word of any other text.
      if (userinfo.includes(':')) redactor.#remember(`${userinfo}@`);
    }
    return redactor;
  }

  /** Makes a value known that came from elsewhere (a token file). A list of macaroons counts one by one too. */
  add(secret: string): void {
    const value = secret.trim();
    const withoutScheme = value.replace(/^(?:FlyV1|Bearer)\s+/i, '');
    for (const part of [value, withoutScheme, ...withoutScheme.split(',')]) {
      if (part.length >= SHORTEST_SECRET) this.#remember(part);
    }
  }

  /** `text` without secrets. Linear in its length. */
  redact(text: string): string {
    // Longest first: a secret that holds another one goes as a whole.
    const secrets = [...this.#secrets].sort((a, b) => b.length - a.length);
    const known = secrets.reduce((rest, secret) => rest.replaceAll(secret, MASK), text);
    return redactPatterns(known);
  }

  // As it is, in a URL, and within a JSON text.
  #remember(secret: string): void {
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
      this.#secrets.add(form);
  }

  /** As `redact`, for every string of a JSON document. */
  redactDocument<T>(document: T): T {
    return mapStrings(document, (text) => this.redact(text)) as T;
  }
}

/** `user:password@host/path` with its credentials masked; a digest behind an `@` stays. Linear. */
export function withoutUserinfo(text: string): string {
  const end = userinfoEnd(text);
  const begin = /^[a-z][a-z0-9+.-]{0,20}:\/\//i.exec(text)?.[0].length ?? 0;
  return end > begin && text.includes('/', end) ? `${text.slice(0, begin)}${MASK}${text.slice(end)}` : text;
}

/**
 * What a user has written, in one line for a message: credentials before a host are masked before it is cut, since
 * half of them are no known secret.
 */
export function shownInput(text: string, limit: number): string {
  const end = userinfoEnd(text);
  const hidden = text.slice(0, end).includes(':') ? `${MASK}${text.slice(end)}` : text;
  return cleanLine(withoutUserinfo(hidden), limit);
}

/** Where the credentials before a host end; 0: there are none. What stands before a digest is a name, maybe after some. */
function userinfoEnd(text: string): number {
  const at = text.lastIndexOf('@');
  if (at > 0 && isLikeDigest(text, at + 1)) return Math.max(0, text.lastIndexOf('@', at - 1));
  return Math.max(0, at);
}

/** Also one that is cut short or misspelt; not a host and its port in a URL. */
function isLikeDigest(text: string, from: number): boolean {
  const rest = text.slice(from);
  if (/^[a-z0-9+._-]{1,64}:[0-9a-z]{6,}$/i.test(rest)) return true;
  return /^sha(?:256|512):[^/]*$/i.test(rest) && !text.includes('://');
}

// Every repetition is bounded, so that no text makes these slow.
const URL_PASSWORD = /([a-z][a-z0-9+.-]{0,20}:\/\/[^\s/@:]{0,256}):[^\s/]{1,1024}@/gi;
const URL_SECRET_PARAMETER =
  /([?&](?:[a-z0-9_-]{0,40}(?:token|signature|credential|password|secret)|sig|api_?key)=)[^&#\s"'<>]{1,4096}/gi;
const AUTHORIZATION_HEADER = /((?:proxy-)?authorization["']?\s{0,4}[:=]\s{0,4}["']?)[^\r\n"']{1,8192}/gi;
const BEARER = /\b((?:Bearer|FlyV1)\s{1,4})([\w.~+/=,:-]{16,8192})/g;
const BASIC = /\b(Basic\s{1,4})([A-Za-z0-9+/]{4,4096}={0,2})/g;
const MACAROON = /\b(?:fm1r|fm1a|fm2|fo1)_[\w+/=-]{8,8192}/g;
const JSON_WEB_TOKEN = /\beyJ[\w-]{6,8192}\.[\w-]{6,8192}\.[\w-]{0,8192}/g;

function redactPatterns(text: string): string {
  return text
    .replace(URL_PASSWORD, `$1:${MASK}@`)
    .replace(URL_SECRET_PARAMETER, `$1${MASK}`)
    .replace(AUTHORIZATION_HEADER, `$1${MASK}`)
    .replace(MACAROON, MASK)
    .replace(JSON_WEB_TOKEN, MASK)
    .replace(BEARER, (whole, scheme: string, value: string) =>
      // `Bearer authentication` is prose; a token has a digit.
      /\d/.test(value) ? scheme + MASK : whole,
    )
    .replace(BASIC, (whole, scheme: string, value: string) =>
      // `Basic authentication` is prose too; RFC 7617 credentials hold a colon.
      Buffer.from(value, 'base64').includes(':') ? scheme + MASK : whole,
    );
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, change)]));
}
