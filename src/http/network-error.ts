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
const NO_TLS: Answer = {
  code: 'tls_failed',
  what: (host) => `${host} does not speak TLS`,
  suggestions: ['check the port', 'for a registry that speaks plain http: --insecure-registry HOST'],
};
const CLIENT_CERTIFICATE: Answer = {
  code: 'tls_failed',
  what: (host) => `${host} wants a client certificate, and takes none of what it got`,
  suggestions: [
    'put certificate and key into ~/.docker/certs.d/HOST/client.cert and client.key beside it',
    'if they are there: check by whom the certificate is signed, and until when it is valid',
  ],
};
const PROXY: Answer = {
  code: 'proxy_failed',
  what: (host) => `the proxy on the way to ${host} refused or failed`,
  suggestions: ['check HTTPS_PROXY and HTTP_PROXY, or except the host: NO_PROXY=HOST'],
};
const PROXY_CREDENTIALS: Answer = {
  code: 'proxy_failed',
  what: (host) => `the proxy on the way to ${host} wants credentials (407)`,
  suggestions: [
    'put them into the variable: HTTPS_PROXY=http://USER:PASSWORD@PROXY:PORT',
    'or except the host: NO_PROXY=HOST',
  ],
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
/** OpenSSL's words for an answer that is no TLS. */
const NO_TLS_WORDS = /wrong version number|packet length too long|http request/i;
/** The far side's alerts about this side's certificate (RFC 8446, 6.2; before TLS 1.3 a handshake just failed). */
const CLIENT_CERTIFICATE_CODE =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|CERTIFICATE_EXPIRED|UNKNOWN_CA)$/;
/** undici's words for what a proxy answered. */
const PROXY_WORDS = /^Proxy (?:response|Authentication Required)|Secure Proxy Connection/;

/**
 * Says why no answer came. What can't be told apart is `connection_lost`, with the system's words as evidence.
 * @param asked `GET https://host/path`, for the evidence
 * @param proxy the proxy that the request may have gone through
 */
export function networkError(error: unknown, url: URL, asked: string, proxy?: URL): DeployerError {
  if (error instanceof DeployerError) return error;
  const cause = rootCause(error);
  const answer = answerFor(cause, proxy);
  const host = url.host;
  return new DeployerError(answer.code, answer.what(host), {
    cause: error,
    evidence: [
      `${asked}: ${cleanLine(cause.code === '' ? cause.message : `${cause.code}: ${cause.message}`, 200)}`,
    ],
    suggestions: answer.suggestions.map((suggestion) => suggestion.replace('HOST', host)),
  });
}

/** Whether it is one of these: the host was spoken to with TLS, and answered in plain text. */
export function isWithoutTls({ code, message }: DeployerError): boolean {
  return code === NO_TLS.code && message.endsWith(NO_TLS.what(''));
}

/** An error as the system, OpenSSL or undici throws it. */
interface Cause {
  readonly code: string;
  readonly message: string;
  /** Where it was met, of errors of DNS and of connecting. */
  readonly hostname?: unknown;
  readonly port?: unknown;
}

function answerFor(cause: Cause, proxy: URL | undefined): Answer {
  if (PROXY_WORDS.test(cause.message)) return cause.message.includes('407') ? PROXY_CREDENTIALS : PROXY;
  if (proxy !== undefined && wasMetAt(proxy, cause)) return PROXY;
  if (CLIENT_CERTIFICATE_CODE.test(cause.code)) return CLIENT_CERTIFICATE;
  if (TLS_CODE.test(cause.code)) return NO_TLS_WORDS.test(cause.message) ? NO_TLS : TLS;
  return BY_CODE[cause.code] ?? LOST;
}

/** The name that did not resolve, or the port that did not answer, is the proxy's. */
function wasMetAt(proxy: URL, { message, hostname, port }: Cause): boolean {
  const proxyPort = Number(proxy.port || (proxy.protocol === 'https:' ? 443 : 80));
  return hostname === proxy.hostname || port === proxyPort || message.includes(`:${proxyPort}, timeout`);
}

/** undici and the happy-eyeballs dialler wrap the system's error, the latter in an AggregateError. */
function rootCause(error: unknown): Cause {
  let at: unknown = error;
  for (let depth = 0; depth < 5; depth += 1) {
    if (at instanceof AggregateError && at.errors.length > 0) at = mostTelling(at.errors);
    else if (at instanceof Error && at.cause instanceof Error) at = at.cause;
    else break;
  }
  const message = messageOf(at);
  if (!(at instanceof Error) || !('code' in at) || typeof at.code !== 'string') return { code: '', message };
  const { code } = at;
  const where = at as Partial<Pick<Cause, 'hostname' | 'port'>>;
  return { code, message, hostname: where.hostname, port: where.port };
}

/** Of several addresses' failures: a refusal came from the host itself, "unreachable" from a missing way. */
function mostTelling(errors: readonly unknown[]): unknown {
  return (
    errors.find((error) => error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') ??
    errors[0]
  );
}
