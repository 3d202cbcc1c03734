import { expect } from 'chai';
import { Dispatchers } from '../../../src/http/dispatchers.js';
import { UndiciClient } from '../../../src/http/undici-client.js';
import { retryPolicy } from '../../../src/http/retry.js';
import { Authenticator, type Access } from '../../../src/registry/authenticator.js';
import type { Challenge } from '../../../src/registry/challenge.js';
import { noMemory, type ChallengeMemory } from '../../../src/registry/challenge-memory.js';
import type { Credential, CredentialSource } from '../../../src/registry/credentials/credential.js';
import { failureOf } from '../../support/failure.js';
import { htmlPage, startHostileServer, type Answer } from '../../support/hostile-server.js';
import { requires } from '../../support/requirements.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { startTokenServer, type TokenServer, type TokenServerOptions } from '../../support/token-server.js';

const PASSWORD: Credential = { kind: 'password', username: 'me', password: 'hunter2', source: 'a test' };
const ACCESS: Access = {
  host: '127.0.0.1:5000',
  registry: new URL('http://127.0.0.1:5000'),
  path: 'team/app',
  actions: ['pull'],
};

interface World {
  readonly authenticator: Authenticator;
  readonly clock: SimulatedClock;
  readonly challenge: Challenge;
}

describe('The authenticator', () => {
  requires('openssl');
  const http = new UndiciClient({ dispatchers: new Dispatchers({ env: {} }), userAgent: 'deployer/test' });
  after(() => http.close());

  function world(realm: string, credential?: Credential, memory: ChallengeMemory = noMemory): World {
    const clock = new SimulatedClock();
    const credentials: CredentialSource = { find: () => Promise.resolve(credential) };
    return {
      authenticator: new Authenticator({
        http,
        credentials,
        memory,
        clock,
        retry: retryPolicy(clock),
      }),
      clock,
      challenge: { scheme: 'bearer', realm, service: 'deployer-test-registry' },
    };
  }

  async function withTokens(
    options: TokenServerOptions,
    credential: Credential | undefined,
    work: (world: World, tokens: TokenServer) => Promise<void>,
  ): Promise<void> {
    await using tokens = await startTokenServer(options);
    await work(world(tokens.realm, credential), tokens);
  }

  it('fetches one token for all who ask at the same time, and keeps it for the next', () =>
    withTokens({ accounts: { me: 'hunter2' }, expiresIn: 300 }, PASSWORD, async (world, tokens) => {
      const { authenticator, challenge } = world;
      const ask = (): Promise<string | undefined> => authenticator.answer(ACCESS, challenge, undefined);
      const answers = await Promise.all([ask(), ask(), ask(), ask()]);
      expect(new Set([...answers, await ask()]).size).to.equal(1);
      expect(answers[0]).to.match(/^Bearer ey/);
      expect(tokens.requests).to.deep.equal([
        {
          method: 'GET',
          service: 'deployer-test-registry',
          scopes: ['repository:team/app:pull'],
          authorization: `Basic ${Buffer.from('me:hunter2').toString('base64')}`,
          form: undefined,
        },
      ]);
    }));

  it('keeps tokens apart by registry, repository and action', () =>
    withTokens({ anonymous: ['pull', 'push'] }, undefined, async ({ authenticator, challenge }, tokens) => {
      const others: readonly Access[] = [
        { ...ACCESS, path: 'team/other' },
        { ...ACCESS, actions: ['push', 'pull'] },
        { ...ACCESS, registry: new URL('http://127.0.0.1:5001') },
      ];
      for (const access of [ACCESS, ...others]) await authenticator.answer(access, challenge, undefined);
      await authenticator.answer({ ...ACCESS, actions: ['pull', 'push'] }, challenge, undefined);
      expect(tokens.requests.map(({ scopes }) => scopes.join())).to.deep.equal([
        'repository:team/app:pull',
        'repository:team/other:pull',
        'repository:team/app:pull,push',
        'repository:team/app:pull',
      ]);
    }));

  it('renews a token when a tenth of its life is left, and after 54 s when nothing tells its life', async () => {
    for (const [expiresIn, kept, renewed] of [
      [300, 269_000, 271_000],
      [undefined, 53_000, 55_000],
    ] as const) {
      const options = { anonymous: ['pull'], ...(expiresIn === undefined ? {} : { expiresIn }) };
      await withTokens(options, undefined, async ({ authenticator, clock, challenge }, tokens) => {
        const ask = (): Promise<string | undefined> => authenticator.answer(ACCESS, challenge, undefined);
        await ask();
        clock.advance(kept);
        await ask();
        expect(tokens.requests).to.have.length(1);
        clock.advance(renewed - kept);
        await ask();
        expect(tokens.requests).to.have.length(2);
      });
    }
  });

  it("counts a token's life from when it was issued, unless that makes no sense", async () => {
    for (const [issuedAgo, renewedAfter] of [
      [200, 90_000],
      // By a clock that is ahead, or stands still.
      [-200, 270_000],
      [90_000, 270_000],
    ] as const) {
      const options = { anonymous: ['pull'], expiresIn: 300, issuedAgo };
      await withTokens(options, undefined, async ({ authenticator, clock, challenge }, tokens) => {
        const ask = (): Promise<string | undefined> => authenticator.answer(ACCESS, challenge, undefined);
        await ask();
        clock.advance(renewedAfter - 3000);
        await ask();
        expect(tokens.requests, `issued ${issuedAgo} s ago, kept`).to.have.length(1);
        clock.advance(6000);
        await ask();
        expect(tokens.requests, `issued ${issuedAgo} s ago, renewed`).to.have.length(2);
      });
    }
  });

  it('does not use a token again that the registry refused, and gives up when there is no other', () =>
    withTokens({ anonymous: ['pull'] }, undefined, async ({ authenticator, challenge }, tokens) => {
      const first = await authenticator.answer(ACCESS, challenge, undefined);
      const second = await authenticator.answer(ACCESS, challenge, first);
      expect(second)
        .to.match(/^Bearer /)
        .and.not.equal(first);
      expect(tokens.requests).to.have.length(2);
    }));

  it('posts an identity token as OAuth2 asks, and takes access_token for the answer', () =>
    withTokens(
      { refreshTokens: ['refresh-1'], field: 'access_token' },
      { kind: 'identity-token', token: 'refresh-1', source: 'a test' },
      async ({ authenticator, challenge }, tokens) => {
        expect(await authenticator.answer(ACCESS, challenge, undefined)).to.match(/^Bearer ey/);
        expect(tokens.requests[0]?.method).to.equal('POST');
        expect(tokens.requests[0]?.authorization).to.equal(undefined);
        expect(tokens.requests[0]?.form).to.deep.equal({
          grant_type: 'refresh_token',
          refresh_token: 'refresh-1',
          client_id: 'deployer',
          service: 'deployer-test-registry',
          scope: 'repository:team/app:pull',
        });
      },
    ));

  it('sends a registry token as it is, and a password to a Basic challenge, without a token server', async () => {
    const realm = 'http://127.0.0.1:9/token';
    const token: Credential = { kind: 'registry-token', token: 'jwt', source: 'a test' };
    const bearer = world(realm, token);
    expect(await bearer.authenticator.answer(ACCESS, bearer.challenge, undefined)).to.equal('Bearer jwt');
    const basic = world(realm, PASSWORD);
    const answer = await basic.authenticator.answer(ACCESS, { scheme: 'basic' }, undefined);
    expect(answer).to.equal(`Basic ${Buffer.from('me:hunter2').toString('base64')}`);
    // The same once more would be refused once more.
    expect(await basic.authenticator.answer(ACCESS, { scheme: 'basic' }, answer)).to.equal(undefined);
    const nobody = world(realm);
    expect(await nobody.authenticator.answer(ACCESS, { scheme: 'basic' }, undefined)).to.equal(undefined);
  });

  it('asks at once where the challenge is remembered, and not where it is not', async () => {
    await using tokens = await startTokenServer({ anonymous: ['pull'] });
    const kept = new Map<string, Challenge>();
    const memory: ChallengeMemory = {
      recall: (host) => Promise.resolve(kept.get(host)),
      remember: (host, challenge) => Promise.resolve(void kept.set(host, challenge)),
    };
    const first = world(tokens.realm, undefined, memory);
    expect(await first.authenticator.expected(ACCESS)).to.equal(undefined);
    await first.authenticator.answer(ACCESS, first.challenge, undefined);
    expect([...kept]).to.deep.equal([['127.0.0.1:5000', first.challenge]]);
    const second = world(tokens.realm, undefined, memory);
    expect(await second.authenticator.expected(ACCESS)).to.match(/^Bearer /);
    // A token server that moved: the registry is asked without, and will say where it is now.
    kept.set('127.0.0.1:5000', { scheme: 'bearer', realm: 'http://127.0.0.1:9/gone' });
    expect(await world('', undefined, memory).authenticator.expected(ACCESS)).to.equal(undefined);
  });

  it('asks the memory once a registry, whether it knows it or not', async () => {
    const asked: string[] = [];
    const memory: ChallengeMemory = {
      recall: (host) => {
        asked.push(host);
        return Promise.resolve(undefined);
      },
      remember: () => Promise.resolve(),
    };
    const { authenticator } = world('', undefined, memory);
    await Promise.all([authenticator.expected(ACCESS), authenticator.expected(ACCESS)]);
    await authenticator.expected({ ...ACCESS, path: 'team/other' });
    await authenticator.expected({ ...ACCESS, registry: new URL('http://127.0.0.1:5001') });
    expect(asked).to.deep.equal(['127.0.0.1:5000', '127.0.0.1:5001']);
  });

  describe('told by a token server', () => {
    const refused = async (answer: Answer, credential?: Credential) => {
      await using server = await startHostileServer(() => answer);
      const { authenticator, challenge, clock } = world(`${server.url}/token?secret=1`, credential);
      const error = await failureOf(() => authenticator.answer(ACCESS, challenge, undefined));
      expect(error.suggestions).not.to.deep.equal([]);
      expect(JSON.stringify(error.toDocument())).not.to.match(/hunter2|secret|\\u001b/);
      return { error, host: server.host, asked: server.requests.length, slept: clock.slept };
    };
    const json = (body: unknown, status = 200): Answer => ({
      status,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

    it('401 is unauthorized: with whose credentials', async () => {
      const details = json({ details: 'incorrect username or password' }, 401);
      const { error, host } = await refused(details, PASSWORD);
      expect([error.code, error.exit]).to.deep.equal(['registry_unauthorized', 4]);
      expect(error.message).to.contain(host).and.contain('with the credentials from a test');
      expect(error.evidence.join()).to.contain('answered 401').and.contain('incorrect username or password');
      expect((await refused(details)).error.message).to.contain('without credentials');
    });

    it('403 is denied, 429 rate-limited, 500 and 404 unavailable', async () => {
      expect((await refused(json({}, 403))).error.code).to.equal('registry_denied');
      expect((await refused(json({}, 429))).error.code).to.equal('registry_rate_limited');
      expect((await refused(json({}, 404))).error.code).to.equal('registry_unavailable');
      const failing = await refused(json({}, 500));
      expect(failing.error.code).to.equal('registry_unavailable');
      expect([failing.asked, failing.slept.length], 'what passes is asked again').to.deep.equal([4, 3]);
    });

    it('no token, in any of the ways to say none, is no answer of a token server', async () => {
      const answers = [
        htmlPage(),
        json({}),
        json([]),
        json(null),
        json({ token: '' }),
        json({ token: 5 }),
        json({ token: 'a\r\nx-injected: yes' }),
        json({ token: 'a b' }),
        { body: 'ey...' },
      ];
      for (const answer of answers) {
        const { error } = await refused(answer);
        expect(error.code, JSON.stringify(answer)).to.equal('not_a_registry');
        expect(error.message).to.contain('answered without a token');
      }
    });

    it('more than a token is read to its limit', async () => {
      const { error } = await refused({ chunked: true, padBytes: 2 ** 30 });
      expect(error.code).to.equal('response_too_large');
      const page = await refused({ status: 403, body: 'x'.repeat(200), chunked: true, padBytes: 2 ** 30 });
      expect(page.error.code).to.equal('registry_denied');
    });
  });

  it('sends no credential to where a token server redirects', async () => {
    await using elsewhere = await startHostileServer(() => ({ body: '{"token":"t"}' }));
    await using server = await startHostileServer(() => ({
      status: 307,
      headers: { location: `${elsewhere.url}/token` },
    }));
    const { authenticator, challenge } = world(`${server.url}/token`, PASSWORD);
    expect(await authenticator.answer(ACCESS, challenge, undefined)).to.equal('Bearer t');
    expect(server.requests[0]?.headers['authorization']).to.match(/^Basic /);
    expect(JSON.stringify(elsewhere.requests)).not.to.match(/Basic|hunter2/);
  });

  it('refuses the realm of a public registry on this machine before anything is sent there', async () => {
    await using server = await startHostileServer(() => ({ body: '{"token":"t"}' }));
    const { authenticator, challenge } = world(`${server.url}/token`, PASSWORD);
    const access = { ...ACCESS, host: 'registry.test', registry: new URL('https://registry.test') };
    const error = await failureOf(() => authenticator.answer(access, challenge, undefined));
    expect(error.code).to.equal('insecure_refused');
    expect(server.requests).to.deep.equal([]);
  });
});
