import { copyFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect } from 'chai';
import type { DeployerError } from '../../../src/lib/errors.js';
import { parseReference } from '../../../src/oci/reference.js';
import { makeCertificates } from '../../support/certificates.js';
import { startDockerRegistry } from '../../support/docker-registry.js';
import { failureOf } from '../../support/failure.js';
import { freePort } from '../../support/free-port.js';
import { buildxIndex } from '../../support/image-fixtures.js';
import { startProxyServer } from '../../support/proxy-server.js';
import { pushFixture } from '../../support/push-fixture.js';
import { authorityFile, basicEntry, connectForTest, loggedIn } from '../../support/registry-connection.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';

const PAGE = '<!DOCTYPE html><html><head><title>Blocked by ACME Web Filter</title></head></html>';
const HOST = 'registry.invalid';

describe('A search through a proxy', () => {
  requires('docker-registry', 'openssl', 'htpasswd');

  /** For a registry that no DNS knows: only a proxy can lead there. */
  const refused = async (env: Readonly<Record<string, string>>, insecure = false): Promise<DeployerError> => {
    await using connection = await connectForTest({ env, insecure: insecure ? [HOST] : [] });
    const error = await failureOf(() => connection.search.find(parseReference(`${HOST}/app:v1`)));
    expect(error.suggestions, 'a mend').not.to.deep.equal([]);
    return error;
  };

  it('reaches the registry: TLS and credentials go through the tunnel, the proxy gets its own alone', async () => {
    await using folder = await makeTempFolder('tls');
    const certificates = await makeCertificates(folder.path, [HOST]);
    await using registry = await startDockerRegistry({
      tls: certificates,
      auth: { kind: 'basic', user: 'me', password: 'registry-secret' },
    });
    await using proxy = await startProxyServer({
      credentials: 'you:proxy secret',
      routes: { [`${HOST}:443`]: registry.host },
    });
    const env = {
      ...loggedIn(HOST, basicEntry('me', 'registry-secret')),
      HTTPS_PROXY: `http://you:proxy%20secret@${proxy.host}`,
    };
    await using connection = await connectForTest({ env });
    const ca = authorityFile(connection.home, HOST);
    await mkdir(dirname(ca), { recursive: true });
    await copyFile(certificates.caFile, ca);

    const error = await failureOf(() => connection.search.find(parseReference(`${HOST}/app:v1`)));
    expect(error.code, 'the registry itself has spoken').to.equal('repository_not_found');
    expect(registry.requests()).to.deep.equal([
      'GET /v2/app/manifests/v1 401',
      'GET /v2/app/manifests/v1 404',
      'GET /v2/app/tags/list?n=1000 404',
    ]);
    expect(proxy.requests.map(({ line }) => line)).to.include(`CONNECT ${HOST}:443`);
    expect(JSON.stringify(proxy.requests)).not.to.contain(basicEntry('me', 'registry-secret').auth);
    expect(registry.log()).not.to.contain(basicEntry('you', 'proxy secret').auth);
  });

  it('finds the image over plain http where the registry is named as insecure', async () => {
    const image = await buildxIndex({ runnable: false });
    await using registry = await startDockerRegistry();
    await pushFixture({ url: registry.url, repository: 'app' }, 'v1', image);
    await using proxy = await startProxyServer({ routes: { [`${HOST}:80`]: registry.host } });
    await using connection = await connectForTest({ env: { HTTP_PROXY: proxy.url }, insecure: [HOST] });
    const { stored } = await connection.search.find(parseReference(`${HOST}/app:v1`));
    expect(stored.digest).to.equal(image.digest);
    expect(proxy.requests.map(({ line }) => line)).to.deep.equal([`GET http://${HOST}/v2/app/manifests/v1`]);
  });

  it('that wants credentials (407) is proxy_failed, for https and for http', async () => {
    await using proxy = await startProxyServer({ credentials: 'you:right' });
    const HTTPS_PROXY = `http://you:hunter2-secret@${proxy.host}`;
    for (const error of [await refused({ HTTPS_PROXY }), await refused({ HTTP_PROXY: HTTPS_PROXY }, true)]) {
      expect([error.code, error.exit]).to.deep.equal(['proxy_failed', 12]);
      expect(error.message).to.match(/registry\.invalid.+\(407\)/);
      expect(error.suggestions.join()).to.contain('USER:PASSWORD@PROXY:PORT').and.contain(`NO_PROXY=${HOST}`);
      expect(JSON.stringify(error.toDocument())).not.to.contain('hunter2');
    }
  });

  it('that answers with a page of its own says so', async () => {
    await using proxy = await startProxyServer({ page: { status: 403, body: PAGE } });
    const tunnel = await refused({ HTTPS_PROXY: proxy.url });
    expect([tunnel.code, tunnel.exit]).to.deep.equal(['proxy_failed', 12]);
    expect(tunnel.evidence.join()).to.contain('403');

    for (const status of [403, 200]) {
      await using plain = await startProxyServer({ page: { status, body: PAGE } });
      const error = await refused({ HTTP_PROXY: plain.url }, true);
      expect([error.code, error.exit]).to.deep.equal(['not_a_registry', 12]);
      expect(error.message).to.contain('a web page where a registry answers with JSON');
      expect(error.evidence.join()).to.contain('"Blocked by ACME Web Filter"');
      expect(error.suggestions.join()).to.contain(`NO_PROXY=${HOST}`);
    }
  });

  it('that is not there is proxy_failed, and not a fault of the registry', async () => {
    const error = await refused({ HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` });
    expect([error.code, error.exit]).to.deep.equal(['proxy_failed', 12]);
    expect(error.evidence.join()).to.contain('ECONNREFUSED');
  });

  it('is not made for a registry on loopback', async () => {
    const image = await buildxIndex({ runnable: false });
    await using registry = await startDockerRegistry();
    await pushFixture({ url: registry.url, repository: 'app' }, 'v1', image);
    await using proxy = await startProxyServer({ page: { status: 403, body: PAGE } });
    await using connection = await connectForTest({ env: { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url } });
    const { stored } = await connection.search.find(parseReference(`${registry.host}/app:v1`));
    expect([stored.digest, proxy.requests.length]).to.deep.equal([image.digest, 0]);
  });
});
