import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { importBusybox, startDockerEngine } from '../../support/docker-engine.js';
import { startDockerRegistry } from '../../support/docker-registry.js';
import { ociImage } from '../../support/image-fixtures.js';
import { freePort } from '../../support/free-port.js';
import { pushFixture } from '../../support/push-fixture.js';
import { requires } from '../../support/requirements.js';
import { eventually } from '../../support/eventually.js';

describe('dockerd, as the tests start it', function () {
  requires('docker-engine', 'busybox', 'docker-registry');
  this.timeout(120_000);

  it('runs an image made of busybox', async () => {
    await using engine = await startDockerEngine();
    await importBusybox(engine.docker, 'busybox:test');
    const container = await engine.docker.createContainer({
      Image: 'busybox:test',
      Cmd: ['sh', '-c', 'exit 7'],
    });
    await container.start();
    expect(await container.wait()).to.deep.include({ StatusCode: 7 });
  });

  it('pulls a fixture image by digest and publishes its port, two engines at once, and leaves nothing', async () => {
    const registry = await startDockerRegistry();
    const image = await ociImage({ message: 'it runs' });
    await pushFixture({ url: registry.url, repository: 'team/web' }, 'v1', image);
    const engines = await Promise.all([startDockerEngine(), startDockerEngine()]);
    for (const { docker } of engines) {
      const reference = `${registry.host}/team/web@${image.digest}`;
      const pulled = await docker.pull(reference);
      for await (const line of pulled) expect(String(line)).not.to.contain('"error"');
      const port = await freePort();
      const container = await docker.createContainer({
        Image: reference,
        HostConfig: { PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: String(port) }] } },
      });
      await container.start();
      const body = await eventually(async () => (await fetch(`http://127.0.0.1:${port}/`)).text());
      expect(body).to.equal('it runs\n');
    }
    await Promise.all(engines.map((engine) => engine.stop()));
    await registry.stop();

    const { stdout: bridges } = await promisify(execFile)('ip', ['-o', 'link', 'show', 'type', 'bridge']);
    for (const { pid, socketPath } of engines) {
      expect(() => process.kill(pid, 0)).to.throw('ESRCH');
      expect(existsSync(socketPath.replace(/docker\.sock$/, ''))).to.equal(false);
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.to.contain(socketPath.replace('docker.sock', ''));
    }
    expect(bridges).not.to.contain(`pid=${process.pid}`);
  });
});
