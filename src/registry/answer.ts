import type { HttpResponse } from '../http/client.js';
import { mediaTypeName } from '../oci/media-types.js';
import type { Login } from '../lib/login.js';
import { cleanLine } from '../lib/text.js';
import type { RefusedScopes } from './scope.js';

/** distribution-spec, "Error codes". The text is the server's, cleaned. */
export interface RegistryErrorEntry {
  readonly code: string;
  readonly message: string;
}

/** What a registry said to one request, whatever it said. */
export interface RegistryAnswer {
  readonly method: string;
  readonly url: URL;
  readonly accept: readonly string[];
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** Of an error's body; empty when the body holds none (HEAD, an HTML page). */
  readonly errors: readonly RegistryErrorEntry[];
  /** The answer is a web page: something other than a registry speaks. */
  readonly html: boolean;
  /** Whether the request carried an Authorization header. */
  readonly authorized: boolean;
  /** Of a refusal: whose credentials the request carried; undefined: nobody's. */
  readonly login?: Login;
  /** Of a token that was not enough for this answer. */
  readonly scopes?: RefusedScopes;
}

/** An error's body is a few sentences; more is not read. */
export const ERROR_BODY_LIMIT = 64 * 1024;

/** @param limit for the body of a success; an error's body is cut at `ERROR_BODY_LIMIT` */
export async function readAnswer(
  response: HttpResponse,
  request: Pick<RegistryAnswer, 'method' | 'accept' | 'authorized' | 'login' | 'scopes'>,
  limit: number,
): Promise<RegistryAnswer> {
  const [contentType = ''] = (response.headers['content-type'] ?? '').split(';');
  const mediaType = contentType.trim().toLowerCase();
  const failed = response.status >= 400;
  const bytes = await (failed ? response.start(ERROR_BODY_LIMIT) : response.bytes(limit));
  return {
    ...request,
    url: response.url,
    status: response.status,
    headers: response.headers,
    mediaType,
    bytes,
    errors: failed ? readErrors(bytes.toString('utf8')) : [],
    html:
      mediaType === 'text/html' || /^\s*<(?:!doctype|html)/i.test(bytes.subarray(0, 200).toString('latin1')),
  };
}

/** `GET https://host/v2/app/manifests/tag -> 404 MANIFEST_UNKNOWN: manifest unknown` */
export function describeAnswer(answer: RegistryAnswer): string {
  const { method, url, status, errors } = answer;
  const said = errors.map(({ code, message }) => ` ${code}${message === '' ? '' : `: ${message}`}`).join(';');
  return `${method} ${url.origin}${url.pathname} -> ${status}${said}`;
}

/** `OCI index, OCI manifest, Docker manifest list, Docker manifest` */
export function describeAccept(accept: readonly string[]): string {
  return accept.map(mediaTypeName).join(', ');
}

/** The errors in the body of a registry or token server, at most five; none when it holds none. */
export function readErrors(text: string): RegistryErrorEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const list = (value as { errors?: unknown } | null)?.errors;
  if (!Array.isArray(list)) return [];
  return list.slice(0, 5).map((entry: unknown) => {
    const { code, message } = (entry ?? {}) as Record<string, unknown>;
    return {
      code: typeof code === 'string' ? cleanLine(code, 60) : 'UNKNOWN',
      message: typeof message === 'string' ? cleanLine(message) : '',
    };
  });
}
