import { join } from 'node:path';
import { expect } from 'chai';
import { makeCopier, type Copier } from '../../support/copying.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { failureOf } from '../../support/failure.js';
import { startFaultyProxy, type FaultyProxy } from '../../support/faulty-proxy.js';
import { startHostileServer } from '../../support/hostile-server.js';
import { randomImage, type FixtureManifest } from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { requires } from '../../support/requirements.js';
import { startTokenServer, type TokenServer } from '../../support/token-server.js';

const PASSWORD = 'planted-password-5f3a';

describe('Pushing to a registry with a token server', () => {
  requires('docker-registry', 'openssl');
  let tokens: TokenServer;
  let registry: DockerRegistry;
  let proxy: FaultyProxy;
  let image: FixtureManifest;
  const copiers: Copier[] = [];
  before(async () => {
    tokens = await startTokenServer({ accounts: { deployer: PASSWORD }, anonymous: ['pull'] });
    registry = await startDockerRegistry({ auth: { kind: 'token', server: tokens } });
    proxy = await startFaultyProxy(registry);
    image = randomImage([2_000_000, 1_000_000]);
  });
  afterEach(async () => {
    await Promise.all(copiers.splice(0).map((copier) => copier[Symbol.asyncDispose]()));
    proxy.script(() => undefined);
  });
  after(async () => {
    await proxy.stop();
    await registry.stop();
    await tokens.stop();
  });

  async function copierAs(password: string | undefined): Promise<Copier> {
    const auth = Buffer.from(`deployer:${password ?? ''}`).toString('base64');
    const copier = await makeCopier(
      password === undefined
        ? {}
        : { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [proxy.host]: { auth } } }) },
    );
    copiers.push(copier);
    await writeLayout(join(copier.folder, 'in'), { v1: image });
    return copier;
  }
  const push = (copier: Copier, repository: string) =>
    copier.copy(`oci:${join(copier.folder, 'in')}`, `${proxy.host}/${repository}:v1`);

  it('asks for one token that allows pull and push, and uses it for all', async () => {
    const copier = await copierAs(PASSWORD);
    const [from, before] = [tokens.requests.length, proxy.exchanges.length];
    await push(copier, 'team/one');
    expect(tokens.requests.slice(from).map(({ scopes }) => scopes)).to.deep.equal([
      ['repository:team/one:pull,push'],
    ]);
    const refused = proxy.exchanges.slice(before).filter(({ status }) => status === 401);
    expect(refused, 'the challenge, once').to.have.length(1);
  });

  it('asks to pull from the repository to mount from with the same token', async () => {
    const copier = await copierAs(PASSWORD);
    await push(copier, 'team/from');
    const from = tokens.requests.length;
    const result = await copier.copy(`${proxy.host}/team/from:v1`, `${proxy.host}/team/to:v1`);
    expect(result).to.include({ blobsMounted: 3, bytesSent: 0 });
    expect(tokens.requests.slice(from).map(({ scopes }) => scopes)).to.deep.equal([
      ['repository:team/to:pull,push', 'repository:team/from:pull'],
      ['repository:team/from:pull'],
    ]);
  });

  it('does without the mount when the token server refuses all for its sake', async () => {
    const copier = await copierAs(PASSWORD);
    await push(copier, 'strict/from');
    await using strict = await startHostileServer(async ({ url, headers }) => {
      const { searchParams } = new URL(url, 'http://token-server');
      if (searchParams.getAll('scope').length > 1) return { status: 403 };
      const asked = await fetch(`${tokens.realm}${new URL(url, 'http://token-server').search}`, {
        headers: { authorization: headers['authorization'] ?? '' },
      });
      return { body: await asked.text(), headers: { 'content-type': 'application/json' } };
    });
    proxy.script(() => ({
      kind: 'change',
      headers: (answered) => {
        const challenge = answered['www-authenticate']?.replace(tokens.realm, `${strict.url}/token`);
        return { ...answered, ...(challenge === undefined ? {} : { 'www-authenticate': challenge }) };
      },
    }));
    const other = await copierAs(PASSWORD);
    const result = await other.copy(`${proxy.host}/strict/from:v1`, `${proxy.host}/strict/to:v1`);
    expect(result.blobsMounted).to.equal(0);
    expect(result.bytesSent).to.be.greaterThan(3_000_000);
  });

  it('renews a token that expires in the middle, once for all, and sends the body again', async () => {
    const copier = await copierAs(PASSWORD);
    const expired = `Bearer ${tokens.sign(['repository:team/expired:pull,push'], -60)}`;
    const from = tokens.requests.length;
    const refusedUploads: string[] = [];
    proxy.script(({ method, headers }) => {
      // From the first blob's bytes on, the registry sees a token whose time is over; the next one is good.
      if (method !== 'PUT' || tokens.requests.length > from + 1) return undefined;
      refusedUploads.push(String(headers.authorization));
      headers.authorization = expired;
      return undefined;
    });
    await push(copier, 'team/expired');
    expect(refusedUploads.length).to.be.greaterThan(0);
    expect(tokens.requests.length - from, 'the first token and one more').to.equal(2);
    const answers = proxy.exchanges.filter(
      ({ url, method }) => method === 'PUT' && url.includes('/team/expired/'),
    );
    expect(answers.filter(({ status }) => status === 401)).to.have.length(refusedUploads.length);
    expect(answers.filter(({ status }) => status === 201)).to.have.length(4);
  });

  it('sends the bytes to a Location on another host, and no credential with them', async () => {
    const copier = await copierAs(PASSWORD);
    await using storage = await startHostileServer(() => ({ status: 201 }));
    const from = proxy.exchanges.length;
    proxy.script(({ method }) =>
      method === 'POST'
        ? {
            kind: 'change',
            headers: (answered) => ({ ...answered, location: `${storage.url}/up?sig=a%2Fb` }),
          }
        : undefined,
    );
    // The manifest is refused in the end: the registry never saw the blobs.
    await failureOf(() => push(copier, 'team/away'));
    const asked = proxy.exchanges.slice(from).filter(({ method }) => method === 'POST');
    expect(asked.every(({ headers }) => /^Bearer /.test(headers.authorization ?? ''))).to.equal(true);
    expect(storage.requests.map(({ url }) => url).sort()).to.deep.equal(
      image.blobs.map(({ digest }) => `/up?sig=a%2Fb&digest=${encodeURIComponent(digest)}`).sort(),
    );
    for (const { headers, url, body } of storage.requests) {
      expect(headers, url).to.not.have.property('authorization');
      expect(image.blobs.some(({ bytes }) => bytes.equals(body))).to.equal(true);
    }
  });

  it('follows a redirect of the upload with the bytes alone', async () => {
    const copier = await copierAs(PASSWORD);
    await using storage = await startHostileServer(() => ({ status: 201 }));
    proxy.script(({ method, url }) =>
      method === 'PUT' && url.includes('/blobs/uploads/')
        ? { kind: 'answer', status: 307, headers: { location: `${storage.url}/redirected` } }
        : undefined,
    );
    await failureOf(() => push(copier, 'team/redirected'));
    expect(storage.requests.map(({ body }) => body.length).sort()).to.deep.equal(
      image.blobs.map(({ size }) => size).sort(),
    );
    expect(storage.requests.some(({ headers }) => headers['authorization'] !== undefined)).to.equal(false);
  });

  it('pulls a blob from where the registry redirects to, and takes no credential along', async () => {
    const copier = await copierAs(PASSWORD);
    await push(copier, 'team/cdn');
    await using storage = await startHostileServer(({ url }) => {
      const blob = image.blobs.find(({ digest }) => url.includes(digest.slice(7)));
      return blob === undefined ? { status: 404 } : { body: blob.bytes };
    });
    proxy.script(({ method, url }) => {
      const digest = /\/blobs\/sha256:(\w+)$/.exec(url)?.[1];
      if (method !== 'GET' || digest === undefined) return undefined;
      return { kind: 'answer', status: 307, headers: { location: `${storage.url}/${digest}?X-Sig=s` } };
    });
    const { digest } = await copier.copy(`${proxy.host}/team/cdn:v1`, `oci:${join(copier.folder, 'out')}`);
    expect(digest).to.equal(image.digest);
    expect(storage.requests).to.have.length(image.blobs.length);
    for (const { headers, url } of storage.requests) {
      expect(headers, url).not.to.have.any.keys('authorization', 'cookie');
    }
    expect(copier.trips.join('\n'), 'a signed URL is a credential').not.to.contain('X-Sig');
  });

  it('does not answer the 401 of another host, whatever realm that names', async () => {
    const copier = await copierAs(PASSWORD);
    await using storage = await startHostileServer((_, count) => ({
      status: 401,
      headers: {
        'www-authenticate':
          count % 2 === 0
            ? 'Basic realm="storage"'
            : `Bearer realm="${tokens.realm}",service="${tokens.service}"`,
      },
    }));
    const before = tokens.requests.length;
    proxy.script(({ method }) =>
      method === 'POST'
        ? { kind: 'change', headers: (answered) => ({ ...answered, location: `${storage.url}/up` }) }
        : undefined,
    );
    const failure = await failureOf(() => push(copier, 'team/away'));
    expect(failure.code).to.equal('registry_unauthorized');
    expect(storage.requests.some(({ headers }) => headers['authorization'] !== undefined)).to.equal(false);
    expect(tokens.requests.length - before, "the registry's own token alone").to.equal(1);
  });

  it('says that a push needs credentials, when it has none', async () => {
    const failure = await failureOf(async () => push(await copierAs(undefined), 'team/anonymous'));
    expect(failure).to.include({ code: 'registry_unauthorized', exit: 4 });
    expect(failure.suggestions[0]).to.equal(`log in: docker login ${proxy.host}`);
  });

  it('names the login whose right does not reach, and mends the variable that it lies in', async () => {
    const copier = await copierAs(PASSWORD);
    for (const [status, mend] of [
      [401, 'mend or unset DOCKER_AUTH_CONFIG'],
      [403, 'or put another login into DOCKER_AUTH_CONFIG'],
    ] as const) {
      proxy.script(({ method, url }) =>
        method === 'PUT' && url.includes('/manifests/') ? { kind: 'answer', status } : undefined,
      );
      const failure = await failureOf(() => push(copier, `team/refused${status}`));
      expect(failure.exit, failure.message).to.equal(4);
      expect(failure.evidence).to.include('asked as deployer, with the login of DOCKER_AUTH_CONFIG');
      expect(failure.suggestions.join()).to.contain(mend).and.not.contain(`docker login ${proxy.host}`);
    }
  });

  it('never shows what it knows: not in errors, warnings or the trace, not after a failure either', async () => {
    const copier = await copierAs(PASSWORD);
    proxy.script(({ method, url }) =>
      method === 'PUT' && url.includes('/manifests/') ? { kind: 'answer', status: 500 } : undefined,
    );
    const failure = await failureOf(() => push(copier, 'team/secret'));
    const said = JSON.stringify([failure.toDocument(), String(failure.stack), copier.warnings, copier.trips]);
    expect(said).to.not.contain(PASSWORD);
    expect(said).to.not.contain(Buffer.from(`deployer:${PASSWORD}`).toString('base64'));
    expect(said).to.not.match(/Bearer [\w.-]{20,}/);
    expect(copier.warnings.join()).to.contain('answered 500');
  });
});
