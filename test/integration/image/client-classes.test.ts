import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expectAsksAs } from '../../support/asked-by.js';
import { startDockerEngine } from '../../support/docker-engine.js';
import { requires } from '../../support/requirements.js';

describe('The clients as which image diagnose asks: skopeo', () => {
  requires('skopeo');

  it('asks as the program does', async () => {
    await expectAsksAs('skopeo', /^skopeo\//, (host) =>
      promisify(execFile)('skopeo', ['inspect', '--tls-verify=false', `docker://${host}/app:v1`]),
    );
  });
});

describe('The clients as which image diagnose asks: Docker Engine 20.10', function () {
  requires('docker-engine');
  this.timeout(60_000);

  it('asks as the engine does', async function () {
    await using engine = await startDockerEngine();
    const { Version: version } = await engine.docker.version();
    if (!version.startsWith('20.10')) {
      if (this.test?.parent) this.test.parent.pendingReason = `the Docker Engine here is ${version}`;
      this.skip();
    }
    await expectAsksAs('docker-20.10', /^docker\/20\.10/, (host) => engine.docker.pull(`${host}/app:v1`));
  });
});
