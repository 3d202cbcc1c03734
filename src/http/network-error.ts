import { DeployerError, messageOf, type ErrorCode } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';

interface Answer {
  readonly code: ErrorCode;
  readonly what: (host: string) => string;
  readonly suggestions: readonly string[];
}

const DNS: Answer = {
  code: 'dns_failed',
  what: (host) => `the host name ${host} can't be resolved`,
  suggestions: ['check the spelling of the host', "check this machine's DNS: getent hosts HOST"],
};
const REFUSED: Answer = {
  code: 'connection_refused',
  what: (host) => `nothing listens at ${host}: the connection was refused`,
  suggestions: ['check the port, and that the server is running'],
};
const LOST: Answer = {
  code: 'connection_lost',
  what: (host) => `the connection to ${host} broke before the answer was complete`,
  suggestions: ["try again; if it stays, look at the server's log or at a proxy in between"],
};
const TIMED_OUT: Answer = {
  code: 'connection_timed_out',
  what: (host) => `${host} did not answer in time`,
  suggestions: ['check that the host is reachable from here (firewall, VPN), or try again'],
};
const TLS: Answer = {
  code: 'tls_failed',
  what: (host) => `no trusted TLS connection to ${host}`,
  suggestions: [
    'for a private authority: put its certificate into ~/.docker/certs.d/HOST/ca.crt, or name it in NODE_EXTRA_CA_CERTS',
  ],
};
const PROXY: Answer = {
  code: 'proxy_failed',
  what: (host) => `the proxy on the way to ${host} refused or failed`,
  suggestions: ['check HTTPS_PROXY and HTTP_PROXY, or except the host: NO_PROXY=HOST'],
};

const BY_CODE: Readonly<Record<string, Answer>> = {
  ENOTFOUND: DNS,
  EAI_AGAIN: DNS,
  EAI_NODATA: DNS,
  ECONNREFUSED: REFUSED,
  ECONNRESET: LOST,
  EPIPE: LOST,
  UND_ERR_SOCKET: LOST,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: LOST,
  UND_ERR_CONNECT_TIMEOUT: TIMED_OUT,
  UND_ERR_HEADERS_TIMEOUT: TIMED_OUT,
  UND_ERR_BODY_TIMEOUT: TIMED_OUT,
  ETIMEDOUT: TIMED_OUT,
  EHOSTUNREACH: TIMED_OUT,
  ENETUNREACH: TIMED_OUT,
};

const TLS_CODE = /CERT|_SSL_|^EPROTO$|^ERR_TLS|SELF_SIGNED|UNABLE_TO_VERIFY|HOSTNAME_MISMATCH/;

/**
 * Says why no answer came. What can't be told apart is `connection_lost`, with the system's words as evidence.
 * @param asked `GET https://host/path`, for the evidence
 */
export function networkError(error: unknown, url: URL, asked: string): DeployerError {
  if (error instanceof DeployerError) return error;
  const { code, message } = rootCause(error);
  const answer = answerFor(code, message);
  const host = url.host;
  return new DeployerError(answer.code, answer.what(host), {
    cause: error,
    evidence: [`${asked}: ${cleanLine(code === '' ? message : `${code}: ${message}`, 200)}`],
    suggestions: answer.suggestions.map((suggestion) => suggestion.replace('HOST', host)),
  });
}

function answerFor(code: string, message: string): Answer {
  if (/proxy/i.test(message)) return PROXY;
  if (TLS_CODE.test(code)) return TLS;
  return BY_CODE[code] ?? LOST;
}

/** undici and the happy-eyeballs dialler wrap the system's error, the latter in an AggregateError. */
function rootCause(error: unknown): { code: string; message: string } {
  let at: unknown = error;
  for (let depth = 0; depth < 5; depth += 1) {
    if (at instanceof AggregateError && at.errors.length > 0) at = at.errors[0];
    else if (at instanceof Error && at.cause instanceof Error) at = at.cause;
    else break;
  }
  const code = at instanceof Error && 'code' in at && typeof at.code === 'string' ? at.code : '';
  return { code, message: messageOf(at) };
}
