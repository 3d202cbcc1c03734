import { expect } from 'chai';
import { ACCEPT_ALL, MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { parseReference } from '../../../src/oci/reference.js';
import type { ErrorCode } from '../../../src/lib/errors.js';
import { failureOf } from '../../support/failure.js';
import { freePort } from '../../support/free-port.js';
import {
  htmlPage,
  manifestAnswer,
  rateLimited,
  registryError,
  startHostileServer,
  type Answer,
} from '../../support/hostile-server.js';
import { ociImage } from '../../support/image-fixtures.js';
import { connectForTest } from '../../support/registry-connection.js';
import { searchFails } from '../../support/search-fails.js';

const MEBI = 1024 * 1024;
const GIBI = 1024 * MEBI;
const ASKED = /asked with: OCI index, OCI manifest, Docker manifest list, Docker manifest/;

describe('A search that is refused', () => {
  interface Case {
    readonly answer: Answer;
    readonly code: ErrorCode;
    readonly exit: number;
    readonly message: RegExp;
    readonly evidence: RegExp;
    readonly mend: RegExp;
    /** Requests in all; 1 unless it is worth asking again. */
    readonly asked?: number;
  }
  const page = (status: number): Answer => ({ ...htmlPage(status) });
  const CASES: Readonly<Record<string, Case>> = {
    '401 without a challenge': {
      answer: registryError(401, 'UNAUTHORIZED', 'authentication required'),
      code: 'registry_unauthorized',
      exit: 4,
      message: /asks for credentials, and none were found/,
      evidence: /-> 401 UNAUTHORIZED: authentication required/,
      mend: /docker login 127/,
    },
    '401 with neither a challenge nor an error of a registry': {
      answer: { status: 401, body: 'Unauthorized' },
      code: 'not_a_registry',
      exit: 12,
      message: /an answer \(401\) that no registry gives/,
      evidence: /it says: "Unauthorized".+-> 401/s,
      mend: /host name and port/,
    },
    '401 of nginx before a registry, in HTML': {
      answer: {
        ...page(401),
        headers: { 'content-type': 'text/html', 'www-authenticate': 'Basic realm="x"' },
      },
      code: 'registry_unauthorized',
      exit: 4,
      message: /asks for credentials/,
      evidence: /-> 401/,
      mend: /docker login/,
    },
    '403': {
      answer: registryError(403, 'DENIED', 'requested access to the resource is denied'),
      code: 'registry_denied',
      exit: 4,
      message: /does not let them read app/,
      evidence: /-> 403 DENIED: requested access to the resource is denied/,
      mend: /read access \(pull\).+403 for what is not there/,
    },
    '404 NAME_UNKNOWN': {
      answer: registryError(404, 'NAME_UNKNOWN', 'repository name not known to registry'),
      code: 'repository_not_found',
      exit: 3,
      message: /knows no repository app/,
      evidence: /-> 404 NAME_UNKNOWN/,
      mend: /docker login/,
    },
    '404 without a word, for the tags too': {
      answer: { status: 404, body: '404 page not found\n' },
      code: 'tag_not_found',
      exit: 3,
      message: /app:v1 is not there/,
      evidence: /can't be listed: GET .+tags\/list -> 404/,
      mend: /spelling/,
      asked: 2,
    },
    "400 with a registry's code": {
      answer: registryError(400, 'NAME_INVALID', 'invalid repository name'),
      code: 'registry_rejected',
      exit: 12,
      message: /rejects what it was asked .+ \(400\)/,
      evidence: /-> 400 NAME_INVALID: invalid repository name/,
      mend: /names and tags/,
    },
    // In Go's words, and on nginx' page.
    '400 of a TLS port that was asked over plain http': {
      answer: { status: 400, body: 'Client sent an HTTP request to an HTTPS server.\n' },
      code: 'not_a_registry',
      exit: 12,
      message: /speaks TLS, and was asked over plain http/,
      evidence: /it says: "Client sent an HTTP request to an HTTPS server\.".+-> 400/s,
      mend: /leave --insecure-registry 127\.0\.0\.1:\d+ out/,
      asked: 2,
    },
    '400 of a TLS port behind nginx': {
      answer: {
        status: 400,
        headers: { 'content-type': 'text/html' },
        body: '<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>',
      },
      code: 'not_a_registry',
      exit: 12,
      message: /speaks TLS, and was asked over plain http/,
      evidence: /the page's title: "400 The plain HTTP request was sent to HTTPS port".+-> 400/s,
      mend: /leave --insecure-registry 127\.0\.0\.1:\d+ out/,
      asked: 2,
    },
    '400 in words that only resemble those of a TLS port': {
      answer: { status: 400, body: `\u001b[31mno such HTTPS port\n${'x'.repeat(900)}` },
      code: 'not_a_registry',
      exit: 12,
      message: /an answer \(400\) that no registry gives/,
      evidence: /it says: "\[31mno such HTTPS port"\n.+-> 400/s,
      mend: /host name and port/,
      asked: 2,
    },
    '418': {
      answer: { status: 418 },
      code: 'not_a_registry',
      exit: 12,
      message: /an answer \(418\) that no registry gives/,
      evidence: /-> 418/,
      mend: /host name and port/,
    },
    '429 for an hour': {
      answer: { ...rateLimited('3600') },
      code: 'registry_rate_limited',
      exit: 12,
      message: /limits how often it is asked/,
      evidence: /Retry-After: 3600.+-> 429 TOOMANYREQUESTS/s,
      mend: /wait, or log in/,
    },
    '429 that stays, of a load balancer, in HTML': {
      answer: { ...page(429), headers: { 'content-type': 'text/html', 'ratelimit-limit': '100;w=21600' } },
      code: 'registry_rate_limited',
      exit: 12,
      message: /limits how often it is asked/,
      evidence: /RateLimit-Limit: 100;w=21600/,
      mend: /docker login/,
      asked: 4,
    },
    '500 that stays': {
      answer: registryError(500, 'UNKNOWN', 'unknown error'),
      code: 'registry_unavailable',
      exit: 12,
      message: /failed to answer \(500\), also when asked again/,
      evidence: /-> 500 UNKNOWN: unknown error/,
      mend: /try again/,
      asked: 4,
    },
    '503 of a load balancer, in words': {
      answer: { status: 503, body: 'no healthy upstream' },
      code: 'registry_unavailable',
      exit: 12,
      message: /failed to answer \(503\)/,
      evidence: /it says: "no healthy upstream"/,
      mend: /try again/,
      asked: 4,
    },
    '502 of a load balancer, in HTML': {
      answer: page(502),
      code: 'registry_unavailable',
      exit: 12,
      message: /failed to answer \(502\)/,
      evidence: /the page's title: "Please sign in"/,
      mend: /try again/,
      asked: 4,
    },
    'a web page with 200': {
      answer: page(200),
      code: 'not_a_registry',
      exit: 12,
      message: /a web page where a registry answers with JSON/,
      evidence: /the page's title: "Please sign in"/,
      mend: /NO_PROXY=127/,
    },
    'a web page with 403': {
      answer: page(403),
      code: 'not_a_registry',
      exit: 12,
      message: /a web page/,
      evidence: /-> 403/,
      mend: /a login page/,
    },
    'a web page of 300 kB with 404': {
      answer: { ...page(404), padBytes: 300_000 },
      code: 'not_a_registry',
      exit: 12,
      message: /a web page/,
      evidence: /the page's title/,
      mend: /host name and port/,
    },
    'a web page that calls itself JSON': {
      answer: { headers: { 'content-type': 'application/json' }, body: '  <!doctype html><title>x</title>' },
      code: 'not_a_registry',
      exit: 12,
      message: /a web page/,
      evidence: /title: "x"/,
      mend: /proxy/,
    },
    '500 with a body of 1 GiB': {
      answer: { ...registryError(500, 'UNKNOWN', 'x'), padBytes: GIBI, chunked: true },
      code: 'registry_unavailable',
      exit: 12,
      message: /500/,
      evidence: /-> 500/,
      mend: /try again/,
      asked: 4,
    },
    'JSON that is no manifest': {
      answer: manifestAnswer('{"hello":"world"}', 'application/json'),
      code: 'manifest_invalid',
      exit: 5,
      message: /schemaVersion is missing/,
      evidence: /GET .+ -> 200/,
      mend: /push the image again/,
    },
    'no JSON': {
      answer: manifestAnswer('hello', MEDIA_TYPE.ociManifest),
      code: 'manifest_invalid',
      exit: 5,
      message: /it is not JSON/,
      evidence: /GET .+ -> 200/,
      mend: /push the image again/,
    },
  };
  for (const [name, expected] of Object.entries(CASES)) {
    it(`(${name}) is ${expected.code}, exit ${expected.exit}`, async () => {
      const { error, server } = await searchFails(expected.answer);
      expect([error.code, error.exit]).to.deep.equal([expected.code, expected.exit]);
      expect(error.message).to.match(expected.message);
      expect(error.evidence.join('\n')).to.match(expected.evidence).and.match(ASKED);
      expect(error.suggestions.join('\n')).to.match(new RegExp(expected.mend.source, 's'));
      expect(server.requests).to.have.length(expected.asked ?? 1);
      expect(server.requests[0]?.headers['accept']).to.equal(ACCEPT_ALL.join(', '));
      expect(server.bytesSent()).to.be.below(32 * MEBI);
    });
  }

  it('shows what a registry says in clean lines, and no more than five of its errors', async () => {
    const errors = Array.from({ length: 50 }, () => ({
      code: 'DE\u001b[2JNIED',
      message: `\u001b]0;owned\u0007go\u202eaway\n${'x'.repeat(800)}`,
    }));
    const { error } = await searchFails({
      status: 403,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ errors }),
    });
    const text = error.evidence.join('');
    expect(text).to.have.length.below(2500);
    expect(text.match(/DE\[2JNIED/g)).to.have.length(5);
    expect(text).not.to.match(/[^\P{Cc}]|\u202e/u);
  });

  it('names no tag in a command that is no tag', async () => {
    const tags = ['v1$(reboot)', 'v1;reboot', '\u001b[31m', '-v1', 'v10', 5, null];
    const { error } = await searchFails(({ url }) =>
      url.includes('/tags/')
        ? { body: JSON.stringify({ name: 'app', tags }) }
        : registryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
    );
    expect(error.code).to.equal('tag_not_found');
    expect(error.evidence.at(-1)).to.equal('tags there: v10');
    expect(error.suggestions).to.deep.equal([
      `deployer image inspect ${error.message.split('/')[0]}/app:v10`,
    ]);
  });

  it("is told as it is when the tags can't be listed", async () => {
    for (const answer of [
      registryError(403, 'DENIED', 'no listing'),
      { body: 'x' },
      { body: '{"tags":5}' },
    ]) {
      const { error } = await searchFails(({ url }) =>
        url.includes('/tags/') ? answer : registryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
      );
      expect([error.code, error.exit]).to.deep.equal(['tag_not_found', 3]);
      expect(error.evidence.at(-1)).to.match(/the tags that are there can't be listed: GET .+tags\/list/);
    }
  });

  it('is asked again after what passes, saying so, and as Retry-After asks', async () => {
    const image = await ociImage({ runnable: false });
    await using connection = await connectForTest();
    const inNineSeconds = (): string => new Date(connection.clock.now() + 9000).toUTCString();
    const answers = [
      (): Answer => rateLimited('7'),
      (): Answer => rateLimited(inNineSeconds()),
      (): Answer => registryError(503, 'UNAVAILABLE', 'soon'),
      (): Answer => manifestAnswer(image.bytes, image.mediaType, image.digest),
    ];
    await using server = await startHostileServer((_, count) => answers[count - 1]?.() ?? { status: 500 });
    const found = await connection.search.find(parseReference(`${server.host}/app:v1`));
    expect(found.stored.digest).to.equal(image.digest);
    expect(connection.clock.slept.slice(0, 2)).to.deep.equal([7000, 9000]);
    expect(connection.warnings).to.have.length(3);
    expect(connection.warnings[0]).to.equal(`${server.host} answered 429; asking again in 7.0 s`);
    expect(connection.warnings[1]).to.contain('9.0 s');
  });
});

describe('A search that gets no answer', () => {
  it('from a port where nobody listens is connection_refused', async () => {
    await using connection = await connectForTest();
    const host = `127.0.0.1:${await freePort()}`;
    const error = await failureOf(() => connection.search.find(parseReference(`${host}/app:v1`)));
    expect([error.code, error.exit]).to.deep.equal(['connection_refused', 12]);
    expect(error.message).to.contain(`nothing listens at ${host}`);
    expect(error.evidence.join()).to.contain('ECONNREFUSED');
    expect(error.suggestions.join()).to.contain('the server is running');
  });

  it('from a host that has no address is dns_failed', async () => {
    await using connection = await connectForTest();
    const error = await failureOf(() => connection.search.find(parseReference('registry.invalid/app:v1')));
    expect([error.code, error.exit]).to.deep.equal(['dns_failed', 12]);
    expect(error.message).to.contain('registry.invalid');
    expect(error.suggestions.join()).to.contain('spelling').and.contain('getent hosts registry.invalid');
    expect(connection.trips.map(({ url }) => url)).to.deep.equal([
      'https://registry.invalid/v2/app/manifests/v1',
    ]);
  });

  it('from a host that is silent is connection_timed_out, after four tries', async () => {
    const { error, server } = await searchFails({ then: 'silent' }, 'app:v1', 200);
    expect([error.code, error.exit]).to.deep.equal(['connection_timed_out', 12]);
    expect(error.evidence.join()).to.match(/GET .+manifests\/v1: UND_ERR_HEADERS_TIMEOUT/);
    expect(error.suggestions.join()).to.contain('firewall');
    expect(server.requests).to.have.length(4);
  });

  it('over a connection that breaks is connection_lost', async () => {
    for (const answer of [{ then: 'reset' as const }, { body: '{"schemaVersion":2}', cutAfterBytes: 5 }]) {
      const { error, server } = await searchFails(answer);
      expect([error.code, error.exit]).to.deep.equal(['connection_lost', 12]);
      expect(error.message).to.contain(server.host);
      expect(error.suggestions.join()).to.contain('try again');
    }
  });

  it('and is called off ends at once with the reason', async () => {
    const controller = new AbortController();
    await using server = await startHostileServer(() => {
      controller.abort(new Error('Ctrl-C'));
      return { then: 'silent' };
    });
    await using connection = await connectForTest();
    const { signal } = controller;
    const outcome = await connection.search
      .find(parseReference(`${server.host}/app:v1`), { signal })
      .catch((error: unknown) => error);
    expect(outcome).to.have.property('message', 'Ctrl-C');
  });
});
