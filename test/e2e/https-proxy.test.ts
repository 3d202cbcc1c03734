import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeCertificates, type Certificates } from '../support/certificates.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { ociImage, type FixtureManifest } from '../support/image-fixtures.js';
import { writeLayout } from '../support/layout-fixture.js';
import { runProgram } from '../support/program.js';
import { startProxyServer, type ProxyServer } from '../support/proxy-server.js';
import { basicEntry, loggedIn } from '../support/registry-connection.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';

const HOST = 'registry.invalid';
const PASSWORD = 'planted-registry-password-1b';
const PROXY_PASSWORD = 'planted proxy/password-2c';
const SECRETS = {
  password: PASSWORD,
  basic: basicEntry('robot', PASSWORD).auth,
  proxyPassword: PROXY_PASSWORD,
  inUrl: encodeURIComponent(PROXY_PASSWORD),
  proxyBasic: basicEntry('me', PROXY_PASSWORD).auth,
};

/** The registry is known to no DNS: the proxy alone leads there. */
describe('deployer behind a proxy that is reached over TLS and wants credentials', function () {
  requires('docker-registry', 'openssl', 'htpasswd');
  this.timeout(60_000);
  let folder: TempFolder;
  let certificates: Certificates;
  let registry: DockerRegistry;
  let image: FixtureManifest;
  before(async () => {
    folder = await makeTempFolder('https-proxy');
    certificates = await makeCertificates(folder.path, [HOST]);
    registry = await startDockerRegistry({
      tls: certificates,
      auth: { kind: 'basic', user: 'robot', password: PASSWORD },
    });
    image = await ociImage({ runnable: false });
    await mkdir(join(folder.path, 'in'));
    await writeLayout(join(folder.path, 'in'), { v1: image });
  });
  after(async () => {
    await registry.stop();
    await folder.remove();
  });

  const proxyFor = (credentials: string): Promise<ProxyServer> =>
    startProxyServer({ credentials, tls: certificates, routes: { [`${HOST}:443`]: registry.host } });

  /** @param login of the proxy, as it stands in a URL */
  async function run(proxy: ProxyServer, login: string, ...args: string[]) {
    const env = {
      ...loggedIn(HOST, basicEntry('robot', PASSWORD)),
      HTTPS_PROXY: proxy.url.replace('://', `://${login}@`),
      NODE_EXTRA_CA_CERTS: certificates.caFile,
    };
    const { code, stdout, stderr } = await runProgram(['image', ...args, '--verbose'], { env });
    const said = stdout + stderr;
    const leaked = Object.entries(SECRETS).filter(([, secret]) => said.includes(secret));
    expect(leaked, said).to.deep.equal([]);
    return { code, said };
  }

  it('pushes and inspects through it; each side gets its own credentials and neither is said', async () => {
    await using proxy = await proxyFor(`me:${PROXY_PASSWORD}`);
    const login = `me:${encodeURIComponent(PROXY_PASSWORD)}`;
    const there = `${HOST}/app:v1`;
    const pushed = await run(proxy, login, 'copy', `oci:${join(folder.path, 'in')}`, there);
    expect(pushed.code, pushed.said).to.equal(0);
    const inspected = await run(proxy, login, 'inspect', there, '--json');
    expect(inspected.said).to.contain(image.digest);
    expect(proxy.requests.map(({ line }) => line)).to.include(`CONNECT ${HOST}:443`);
    for (const { headers } of proxy.requests) {
      expect(headers['proxy-authorization']).to.equal(`Basic ${SECRETS.proxyBasic}`);
      expect(headers).not.to.have.property('authorization');
    }
    expect(registry.log()).not.to.contain(SECRETS.proxyBasic);
  });

  it('takes a user without a password', async () => {
    await using proxy = await proxyFor('just-me:');
    const { code, said } = await run(proxy, 'just-me', 'inspect', `${HOST}/app:none`);
    expect(code, said).to.equal(3);
    expect(said).to.contain('the registry knows the repository, but not this tag');
  });

  it('says that the proxy wants other ones, and not which it got', async () => {
    await using proxy = await proxyFor('me:another');
    const login = `me:${encodeURIComponent(PROXY_PASSWORD)}`;
    const { code, said } = await run(proxy, login, 'inspect', `${HOST}/app:v1`);
    expect(code, said).to.equal(12);
    expect(said).to.contain(`the proxy on the way to ${HOST} wants credentials (407)`);
  });
});
