import { expect } from 'chai';
import { networkError } from '../../../src/http/network-error.js';
import { DeployerError, EXIT_OF, type ErrorCode } from '../../../src/lib/errors.js';

const URL_ASKED = new URL('https://registry.test:5000/v2/app/manifests/v1?secret=1');
const ASKED = 'GET https://registry.test:5000/v2/app/manifests/v1';

function systemError(code: string, message = `what the system says of ${code}`, more: object = {}): Error {
  return Object.assign(new Error(message), { code, ...more });
}

function explain(error: unknown): DeployerError {
  return networkError(error, URL_ASKED, ASKED);
}

describe('A network failure', () => {
  const CODES: Readonly<Record<string, ErrorCode>> = {
    ENOTFOUND: 'dns_failed',
    EAI_AGAIN: 'dns_failed',
    ECONNREFUSED: 'connection_refused',
    ECONNRESET: 'connection_lost',
    EPIPE: 'connection_lost',
    UND_ERR_SOCKET: 'connection_lost',
    UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'connection_lost',
    UND_ERR_CONNECT_TIMEOUT: 'connection_timed_out',
    UND_ERR_HEADERS_TIMEOUT: 'connection_timed_out',
    UND_ERR_BODY_TIMEOUT: 'connection_timed_out',
    ETIMEDOUT: 'connection_timed_out',
    EHOSTUNREACH: 'connection_timed_out',
    ENETUNREACH: 'connection_timed_out',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'tls_failed',
    SELF_SIGNED_CERT_IN_CHAIN: 'tls_failed',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls_failed',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls_failed',
    CERT_HAS_EXPIRED: 'tls_failed',
    ERR_TLS_CERT_ALTNAME_INVALID: 'tls_failed',
    ERR_SSL_WRONG_VERSION_NUMBER: 'tls_failed',
    ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'tls_failed',
    EPROTO: 'tls_failed',
    ENOBUFS: 'connection_lost',
  };
  for (const [code, expected] of Object.entries(CODES)) {
    it(`${code} is ${expected}, with the host, what was asked and a mend`, () => {
      const error = explain(systemError(code));
      expect([error.code, error.exit]).to.deep.equal([expected, EXIT_OF[expected]]);
      expect(error.message).to.contain('registry.test:5000');
      expect(error.evidence).to.deep.equal([`${ASKED}: ${code}: what the system says of ${code}`]);
      expect(error.suggestions).not.to.deep.equal([]);
      expect(error.suggestions.join()).not.to.match(/\bHOST\b/);
    });
  }

  it('is found behind what wraps it: causes, and the attempts of a dialler', () => {
    const inner = systemError('ECONNREFUSED');
    expect(explain(new TypeError('fetch failed', { cause: inner })).code).to.equal('connection_refused');
    expect(explain(new AggregateError([inner, systemError('ENETUNREACH')])).code).to.equal(
      'connection_refused',
    );
    // The first attempt is often over IPv6, where there is no way; what the other met is the story.
    const noIpv6 = new AggregateError([systemError('ENETUNREACH'), inner]);
    expect(explain(noIpv6).code).to.equal('connection_refused');
    const loop = new Error('loop');
    loop.cause = loop;
    expect(explain(loop).code).to.equal('connection_lost');
    expect(explain('a string').code).to.equal('connection_lost');
  });

  it('of a host that merely has "proxy" in its name is no fault of a proxy', () => {
    const url = new URL('https://proxy.registry.test/v2/');
    const error = networkError(
      systemError('ENOTFOUND', 'getaddrinfo ENOTFOUND proxy.registry.test', {
        hostname: 'proxy.registry.test',
      }),
      url,
      `GET ${url.href}`,
    );
    expect(error.code).to.equal('dns_failed');
  });

  it('of a port that speaks no TLS says so, and names the flag for plain http', () => {
    const error = explain(
      systemError('ERR_SSL_WRONG_VERSION_NUMBER', 'SSL routines:ssl3_get_record:wrong version number'),
    );
    expect(error.message).to.contain('does not speak TLS');
    expect(error.suggestions.join()).to.contain('--insecure-registry registry.test:5000');
  });

  it('that was explained already stays as it is', () => {
    const known = new DeployerError('config_invalid', 'certs.d');
    expect(explain(known)).to.equal(known);
  });

  it("has the system's words cleaned and cut", () => {
    const [line = ''] = explain(systemError('EPROTO', `\u001b[2J${'x'.repeat(1000)}`)).evidence;
    expect(line).to.have.length.below(300);
    expect(line).not.to.contain('\u001b');
  });
});
