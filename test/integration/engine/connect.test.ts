import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { connect as connectSocket, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { pipeline, type Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { expect } from 'chai';
import { build } from '../../../src/engine/build/build.js';
import { probeEngine } from '../../../src/engine/capabilities.js';
import { connectEngine } from '../../../src/engine/connect.js';
import { Engine } from '../../../src/engine/engine.js';
import { makeContext } from '../../support/build-context.js';
import { makeCertificates, type Certificates } from '../../support/certificates.js';
import { startDockerEngine, type DockerEngine } from '../../support/docker-engine.js';
import { failureOf } from '../../support/failure.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

type Environment = Readonly<Record<string, string>>;

describe('a real engine', function () {
  requires('docker-engine', 'openssl');
  this.timeout(60_000);
  let engine: DockerEngine;
  let folder: TempFolder;
  const servers: Server[] = [];
  before(async () => {
    [engine, folder] = await Promise.all([startDockerEngine(), makeTempFolder('engine-ways')]);
  });
  after(async () => {
    for (const server of servers) server.close();
    await engine.stop();
    await folder.remove();
  });

  /** A whole build: request, stream, a connection taken over, and files sent through it. */
  async function expectBuild(env: Environment): Promise<void> {
    await using context = await makeContext({
      Dockerfile: 'FROM scratch\nCOPY file /\n',
      file: env['DOCKER_HOST'] ?? '',
    });
    const { signal } = new AbortController();
    const connected = new Engine((await connectEngine({ env, home: folder.path })).docker);
    const { version, buildKit, store, platform } = await probeEngine(connected, signal);
    expect({ buildKit, store }).to.deep.equal({ buildKit: true, store: 'graphdriver' });
    expect([version, platform].join(' ')).to.match(/^20\.10\.\S+ linux\/\w+$/);
    // By the engine's own API, and by BuildKit's.
    for (const cacheTo of [[], [{ type: 'inline', attributes: {} }] as const]) {
      const built = await build(
        {
          context: context.path,
          dockerfile: { folder: context.path, name: 'Dockerfile' },
          ...{ secrets: new Map(), tags: ['ways:1'], buildArgs: {}, labels: {}, noCache: false },
          ...{ platforms: [], cacheFrom: [], cacheTo },
          output: { store: 'graphdriver' },
        },
        {
          ...{ engine: connected, hostPlatform: platform, signal },
          findLogin: () => Promise.resolve(undefined),
          onEvent: () => undefined,
        },
      );
      expect((await engine.docker.getImage('ways:1').inspect()).Id).to.equal(built.id);
    }
  }
  async function listen(server: Server): Promise<number> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  it('is built with over tcp', async () => {
    const port = await listen(createServer((client) => passOn(client, engine.socketPath)));
    await expectBuild({ DOCKER_HOST: `tcp://127.0.0.1:${port}` });
  });

  describe('over TLS', () => {
    let certificates: Certificates;
    let port: number;
    before(async () => {
      certificates = await makeCertificates(folder.path);
      const server = createTlsServer(
        {
          cert: await readFile(certificates.certFile),
          key: await readFile(certificates.keyFile),
          // Who has no certificate of this authority is turned away, as dockerd --tlsverify does.
          ca: await readFile(certificates.caFile),
          requestCert: true,
          rejectUnauthorized: true,
        },
        (client) => passOn(client, engine.socketPath),
      );
      port = await listen(server);
    });

    it('is built with, with the client certificate of DOCKER_CERT_PATH', async () => {
      await copyFile(certificates.certFile, join(folder.path, 'cert.pem'));
      await copyFile(certificates.keyFile, join(folder.path, 'key.pem'));
      await expectBuild({
        ...{ DOCKER_HOST: `tcp://127.0.0.1:${port}`, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder.path },
      });
    });

    it('is not spoken to when its certificate is of another authority', async () => {
      await using empty = await makeTempFolder('no-certificates');
      const env = {
        DOCKER_HOST: `tcp://127.0.0.1:${port}`,
        DOCKER_TLS_VERIFY: '1',
        DOCKER_CERT_PATH: empty.path,
      };
      const error = await failureOf(() => connectEngine({ env, home: folder.path }));
      expect(error.code).to.equal('engine_unavailable');
      expect(error.evidence[0]).to.match(/certificate/);
    });
  });

  describe('over ssh', () => {
    /** Does what sshd would: runs the command, of which `docker system dial-stdio` is the real one. */
    async function writeSsh(script: string): Promise<Environment> {
      const file = join(folder.path, 'ssh');
      await writeFile(file, `#!/bin/sh\necho "$*" >> ${folder.path}/asked\n${script}`);
      await chmod(file, 0o755);
      return {
        PATH: `${folder.path}:/usr/sbin:/usr/bin:/sbin:/bin`,
        DOCKER_HOST: 'ssh://me@engine.internal:2222',
      };
    }

    it('is built with, through docker system dial-stdio there', async () => {
      const script = `while [ "$1" != -- ]; do shift; done; shift 2\nDOCKER_HOST=${engine.dockerHost} exec "$@"\n`;
      await expectBuild(await writeSsh(script));
      const [asked] = (await readFile(join(folder.path, 'asked'), 'utf8')).split('\n');
      expect(asked).to.match(/-l me -p 2222 -- engine\.internal docker system dial-stdio$/);
    });

    it('that can not be reached is told in the words of ssh', async () => {
      const env = await writeSsh('echo "me@engine.internal: Permission denied (publickey)." >&2; exit 255\n');
      const error = await failureOf(() => connectEngine({ env, home: folder.path }));
      expect(error.code).to.equal('engine_unavailable');
      expect(error.evidence[0]).to.contain('Permission denied (publickey)');
    });
  });
});

/** Either side may end it, also while the other is still speaking. */
function passOn(client: Duplex, socketPath: string): void {
  pipeline(client, connectSocket(socketPath), client, () => undefined);
}
