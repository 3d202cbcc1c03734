import { request } from 'node:https';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { expect } from 'chai';
import { makeCertificates } from '../../support/certificates.js';
import { startDockerRegistry } from '../../support/docker-registry.js';
import { ociImage } from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';
import { startTokenServer, type TokenServerOptions } from '../../support/token-server.js';

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

describe('docker-registry with a password', () => {
  requires('docker-registry', 'htpasswd');

  it('lets in who knows it, and nobody else', async () => {
    await using registry = await startDockerRegistry({
      auth: { kind: 'basic', user: 'me', password: 'pä:ss' },
    });
    const right = { url: registry.url, repository: 'app', authorization: basic('me', 'pä:ss') };
    await pushFixture(right, 'v1', await ociImage());
    const { status, headers } = await fetch(`${registry.url}/v2/app/manifests/v1`);
    expect([status, headers.get('www-authenticate')]).to.deep.equal([
      401,
      'Basic realm="deployer test registry"',
    ]);
  });
});

describe('docker-registry with a token server', () => {
  requires('docker-registry', 'openssl');

  const variants: readonly TokenServerOptions[] = [
    { algorithm: 'ES256', keyHeader: 'kid' },
    { algorithm: 'ES256', keyHeader: 'jwk' },
    { algorithm: 'RS256', keyHeader: 'x5c', field: 'access_token', expiresIn: 60 },
  ];
  for (const options of variants) {
    it(`takes a token signed with ${options.algorithm} and named by ${options.keyHeader}`, async () => {
      await using tokens = await startTokenServer({
        ...options,
        accounts: { me: 'secret' },
        anonymous: ['pull'],
      });
      await using registry = await startDockerRegistry({ auth: { kind: 'token', server: tokens } });

      const challenge = (await fetch(`${registry.url}/v2/app/manifests/v1`)).headers.get('www-authenticate');
      expect(challenge).to.equal(
        `Bearer realm="${tokens.realm}",service="${tokens.service}",scope="repository:app:pull"`,
      );

      const tokenFor = async (actions: string, authorization?: string): Promise<string> => {
        const url = `${tokens.realm}?service=${tokens.service}&scope=repository:app:${actions}`;
        const response = await fetch(url, { headers: { ...(authorization && { authorization }) } });
        const answer = (await response.json()) as Record<string, string>;
        return `Bearer ${answer[options.field ?? 'token']}`;
      };
      const image = await ociImage();
      const push = (authorization: string): Promise<void> =>
        pushFixture({ url: registry.url, repository: 'app', authorization }, 'v1', image);
      await push(await tokenFor('pull,push', basic('me', 'secret')));

      const anonymous = await tokenFor('pull,push');
      const pulled = await fetch(`${registry.url}/v2/app/manifests/${image.digest}`, {
        headers: { authorization: anonymous, accept: image.mediaType },
      });
      expect(pulled.status).to.equal(200);
      const refused = await push(anonymous).catch((error: unknown) => String(error));
      expect(refused).to.contain('answered 401');
      expect(tokens.requests.map(({ authorization }) => authorization)).to.deep.equal([
        basic('me', 'secret'),
        undefined,
      ]);
    });
  }

  it('refuses a wrong password and an expired token', async () => {
    await using tokens = await startTokenServer({ accounts: { me: 'secret' } });
    await using registry = await startDockerRegistry({ auth: { kind: 'token', server: tokens } });
    const wrong = await fetch(tokens.realm, { headers: { authorization: basic('me', 'wrong') } });
    expect(wrong.status).to.equal(401);
    const authorization = `Bearer ${tokens.sign(['repository:app:pull'], -3600)}`;
    const old = await fetch(`${registry.url}/v2/app/manifests/v1`, { headers: { authorization } });
    expect(old.status).to.equal(401);
  });

  it('takes a refresh token in the OAuth2 form', async () => {
    await using tokens = await startTokenServer({ refreshTokens: ['r-1'] });
    const post = (token: string): Promise<Response> =>
      fetch(tokens.realm, {
        method: 'POST',
        body: new URLSearchParams({
          ...{ grant_type: 'refresh_token', refresh_token: token },
          ...{ service: tokens.service, scope: 'repository:a:pull repository:b:pull' },
        }),
      });
    expect((await post('r-1')).status).to.equal(200);
    expect((await post('r-2')).status).to.equal(401);
    expect(tokens.requests[0]?.scopes).to.deep.equal(['repository:a:pull', 'repository:b:pull']);
  });
});

describe('docker-registry over TLS', () => {
  requires('docker-registry', 'openssl');

  it('is trusted with the throw-away CA, and not without', async () => {
    await using folder = await makeTempFolder('tls');
    const certificates = await makeCertificates(folder.path);
    await using registry = await startDockerRegistry({ tls: certificates });
    const get = (ca?: Buffer): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const onAnswer = (response: IncomingMessage): void => {
          response.resume();
          resolve(response.statusCode);
        };
        request(`${registry.url}/v2/`, { agent: false, ...(ca && { ca }) }, onAnswer)
          .on('error', reject)
          .end();
      });
    expect(await get(await readFile(certificates.caFile))).to.equal(200);
    const refused = await get().catch((error: unknown) => String(error));
    expect(refused).to.match(/certificate/);
  });
});
