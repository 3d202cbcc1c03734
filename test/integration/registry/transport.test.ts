import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { digestOf } from '../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { parseReference } from '../../../src/oci/reference.js';
import type { Challenge } from '../../../src/registry/challenge.js';
import { FileChallengeMemory } from '../../../src/registry/challenge-memory.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { eventually } from '../../support/eventually.js';
import { failureOf } from '../../support/failure.js';
import {
  manifestAnswer,
  redirect,
  startHostileServer,
  startRawServer,
  type Answer,
} from '../../support/hostile-server.js';
import { ociImage, type FixtureManifest } from '../../support/image-fixtures.js';
import { startProxyServer } from '../../support/proxy-server.js';
import { basicEntry, connectForTest, loggedIn } from '../../support/registry-connection.js';
import { searchFails } from '../../support/search-fails.js';

const bearer = (realm: string, scope?: string): Answer => ({
  status: 401,
  headers: {
    'www-authenticate': `Bearer realm="${realm}",service="s"${scope === undefined ? '' : `,scope="${scope}"`}`,
  },
});
const token = (name: string): Answer => ({ body: JSON.stringify({ token: name, expires_in: 300 }) });

/** Sends a byte each 20 ms, without an end: no pause is long enough for an idle timeout. */
function drip(): Answer {
  return { headers: { 'content-length': '100000' }, body: '{', dripMs: 20, padBytes: 99_999 };
}

describe('A search in a registry that takes its time', () => {
  it('gives up on one that drips its answer, and says how slow it was', async () => {
    const { error, server } = await searchFails(drip(), 'app:v1', 300);
    expect([error.code, error.exit]).to.deep.equal(['connection_timed_out', 12]);
    expect(error.message).to.equal(`${server.host} sends its answer too slowly`);
    expect(error.evidence.join()).to.match(/GET .+manifests\/v1: less than 61440 bytes in 0\.3 s/);
  });

  it('ends at the latest when the time for a whole question is over, whatever it waits for', async () => {
    for (const answer of [{ then: 'silent' as const }, drip(), { status: 503, delayMs: 100 }]) {
      await using server = await startHostileServer(() => answer);
      await using connection = await connectForTest({ timeouts: { questionTimeoutMs: 250 } });
      const started = performance.now();
      const error = await failureOf(() => connection.search.find(parseReference(`${server.host}/app:v1`)));
      expect(performance.now() - started).to.be.below(5000);
      if (answer.status === 503) continue;
      expect([error.code, error.exit]).to.deep.equal(['connection_timed_out', 12]);
      expect(error.evidence).to.deep.equal(['waited 0.25 s in all for GET manifests/v1']);
      expect(connection.warnings, 'the end is no reason to ask again').to.deep.equal([]);
    }
  });

  it('names the token server when it is that one that does not come to an end', async () => {
    await using tokens = await startHostileServer(() => drip());
    await using server = await startHostileServer(() => bearer(`${tokens.url}/token`));
    await using connection = await connectForTest({ timeouts: { tokenTimeoutMs: 250 } });
    const error = await failureOf(() => connection.search.find(parseReference(`${server.host}/app:v1`)));
    expect(error.code).to.equal('connection_timed_out');
    expect(error.message).to.equal(`the token server ${tokens.host} did not answer in time`);
    expect(error.evidence.join()).to.contain('repository:app:pull');
  });

  it('leaves no connection and no timer behind when it is called off, wherever it is', async () => {
    const handles = (): string[] =>
      process.getActiveResourcesInfo().filter((name) => /Timeout|TCPSocketWrap|TLSWrap/.test(name));
    for (const at of ['manifest', 'body', 'token'] as const) {
      const controller = new AbortController();
      const stop = (): Answer => {
        setImmediate(() => controller.abort(new DeployerError('interrupted', 'Ctrl-C')));
        return at === 'body' ? drip() : { then: 'silent' };
      };
      await using server = await startHostileServer(({ url, headers }) =>
        url.startsWith('/token') || at !== 'token' ? stop() : bearer(`http://${headers['host']}/token`),
      );
      const before = handles().length;
      const connection = await connectForTest();
      const { signal } = controller;
      const error = await failureOf(() =>
        connection.search.find(parseReference(`${server.host}/app:v1`), { signal }),
      );
      expect(error.code, at).to.equal('interrupted');
      await connection[Symbol.asyncDispose]();
      await eventually(() => expect(handles().length, `${at}: ${handles().join()}`).to.be.at.most(before));
    }
  });
});

describe('The tokens of a search', () => {
  let image: FixtureManifest;
  before(async () => {
    image = await ociImage({ runnable: false });
  });

  it('are asked for with the scope that the registry names, beside its own', async () => {
    const asked: string[][] = [];
    await using server = await startHostileServer(({ url, headers }) => {
      const { pathname, searchParams } = new URL(url, 'http://x');
      if (pathname === '/token') {
        asked.push(searchParams.getAll('scope'));
        return token('t1');
      }
      if (headers['authorization'] !== 'Bearer t1') {
        return bearer(`http://${headers['host']}/token`, 'repository:mirror/app:pull registry:catalog:*');
      }
      return manifestAnswer(image.bytes, image.mediaType, image.digest);
    });
    await using connection = await connectForTest();
    await connection.search.find(parseReference(`${server.host}/app:v1`));
    expect(asked).to.deep.equal([
      ['repository:app:pull', 'repository:mirror/app:pull', 'registry:catalog:*'],
    ]);
  });

  it('that reach not far enough are asked for once more, and then the scopes are told', async () => {
    const asked: string[] = [];
    await using server = await startHostileServer(({ url, headers }) => {
      const { pathname, searchParams } = new URL(url, 'http://x');
      const realm = `http://${headers['host']}/token`;
      if (pathname === '/token') {
        asked.push(searchParams.getAll('scope').join(' '));
        return token(`t${asked.length}`);
      }
      return headers['authorization'] === undefined
        ? bearer(realm)
        : bearer(realm, `repository:app:${asked.length === 1 ? 'metadata' : 'delete'}`);
    });
    await using connection = await connectForTest();
    const error = await failureOf(() => connection.search.find(parseReference(`${server.host}/app:v1`)));
    expect(error.code).to.equal('registry_unauthorized');
    expect(asked).to.deep.equal(['repository:app:pull', 'repository:app:metadata,pull']);
    expect(error.evidence).to.include(
      'the token was asked for the scope repository:app:metadata,pull; the registry named repository:app:delete',
    );
  });

  it('are renewed when one expires in the middle', async () => {
    let given = 0;
    let valid = '';
    await using server = await startHostileServer(({ url, headers }) => {
      if (url.startsWith('/token')) return token((valid = `t${(given += 1)}`));
      if (headers['authorization'] !== `Bearer ${valid}`) return bearer(`http://${headers['host']}/token`);
      return manifestAnswer(image.bytes, image.mediaType, image.digest);
    });
    await using connection = await connectForTest();
    const find = () => connection.search.find(parseReference(`${server.host}/app:v1`));
    await find();
    valid = 'none';
    expect((await find()).stored.digest).to.equal(image.digest);
    expect(connection.trips.map(({ status }) => status)).to.deep.equal([401, 200, 200, 401, 200, 200]);
  });

  it('come from a server that is connected to at the same time as the registry, once it is known', async () => {
    await using tokens = await startHostileServer(async () => {
      // The registry's connection stands while its token is still on its way, and nothing was sent there.
      await eventually(() => expect(server.connections()).to.equal(1));
      expect(server.requests).to.have.length(0);
      return token('t1');
    });
    await using server = await startHostileServer(() =>
      manifestAnswer(image.bytes, image.mediaType, image.digest),
    );
    await using connection = await connectForTest();
    const memory = new FileChallengeMemory(`${connection.home}/.cache/deployer`);
    const challenge: Challenge = { scheme: 'bearer', realm: `${tokens.url}/token` };
    await memory.remember(server.host, challenge);
    const { stored } = await connection.search.find(parseReference(`${server.host}/app:v1`));
    expect(stored.digest).to.equal(image.digest);
    expect([server.connections(), tokens.connections()]).to.deep.equal([1, 1]);
    expect(server.requests[0]?.headers['authorization']).to.equal('Bearer t1');
  });

  it('are not asked for on a private network that a public registry, or its token server, leads to', async () => {
    // By a proxy alone is there a registry on a public address in a test.
    const host = 'registry.test';
    await using metadata = await startHostileServer(() => token('stolen'));
    for (const leadsTo of [
      (): Answer => bearer(`${metadata.url}/token`),
      (): Answer => bearer('http://[fd00::1]/token'),
      (): Answer => bearer('http://2852039166/latest/meta-data'),
      (): Answer => bearer('http://inside.test/token'),
      (url: string): Answer =>
        url.startsWith('/token') ? redirect(`${metadata.url}/token`) : bearer(`http://${host}/token`),
      (url: string): Answer =>
        url.startsWith('/token') ? redirect('http://inside.test/token') : bearer(`http://${host}/token`),
    ]) {
      await using server = await startHostileServer(({ url }) => leadsTo(url));
      await using proxy = await startProxyServer({ routes: { [`${host}:80`]: server.host } });
      await using connection = await connectForTest({
        env: { HTTP_PROXY: proxy.url, ...loggedIn(host, basicEntry('me', 'hunter2')) },
        insecure: [host],
        resolve: (name, _options, callback) =>
          callback(null, [{ address: name === 'inside.test' ? '10.1.2.3' : '93.184.216.34', family: 4 }]),
      });
      const error = await failureOf(() => connection.search.find(parseReference(`${host}/app:v1`)));
      expect([error.code, error.exit]).to.deep.equal(['insecure_refused', 12]);
      expect(error.message).to.contain('on a private network, and the registry is not');
      expect(proxy.requests.filter(({ line }) => !line.includes(`//${host}/`))).to.deep.equal([]);
    }
    expect(metadata.connections()).to.equal(0);
  });

  it('are not asked for at an address that a name turns out to have at the very connection', async () => {
    await using metadata = await startRawServer();
    const { port } = new URL(metadata.url);
    await using tokens = await connectForTest({
      resolve: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    });
    const error = await failureOf(() =>
      tokens.http.send({
        method: 'GET',
        url: `http://rebound.test:${port}/token`,
        namedBy: new URL('https://93.184.216.34'),
      }),
    );
    expect(error.code).to.equal('insecure_refused');
    expect(error.evidence).to.deep.equal(['rebound.test resolves to 127.0.0.1']);
    await delay(50);
    expect(metadata.connections()).to.equal(0);
  });
});

describe('A search that is answered in another coding', () => {
  it('does not unpack it: a bomb of 32 MiB stays a few kilobytes', async () => {
    const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024, ' '));
    const { error, server } = await searchFails({
      headers: {
        'content-type': MEDIA_TYPE.ociManifest,
        'content-encoding': 'gzip',
        'docker-content-digest': digestOf(bomb),
      },
      body: bomb,
    });
    expect([error.code, error.exit]).to.deep.equal(['not_a_registry', 12]);
    expect(error.evidence).to.deep.equal(['Accept-Encoding: identity, answered with Content-Encoding: gzip']);
    expect(server.requests[0]?.headers['accept-encoding']).to.equal('identity');
  });
});
