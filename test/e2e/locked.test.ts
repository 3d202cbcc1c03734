import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { DeployResult } from '../../src/deploy/result.js';
import { flyToml, setStage, type PushedImage, type Stage } from '../support/stage.js';

describe('an app that somebody else deploys', function () {
  this.timeout(60_000);
  let stage: Stage;
  let first: PushedImage;
  let second: PushedImage;

  before(async () => {
    stage = await setStage();
    [first, second] = await Promise.all([stage.push('first'), stage.push('second')]);
  });
  after(() => stage[Symbol.asyncDispose]());

  it('is left alone: exit 10 after --lock-wait, naming who holds the lock, what for and until when', async () => {
    await stage.run(['deploy', '-a', 'held', '-i', first.reference]);
    const before = await stage.machines('held');
    const id = before[0]?.id ?? '';
    await stage.platform.client.ok(`POST /apps/held/machines/${id}/lease`, {
      body: { ttl: 60, description: 'mending it by hand' },
    });
    const begun = performance.now();
    const { code, stdout, stderr } = await stage.run([
      'deploy',
      '-a',
      'held',
      '-i',
      second.reference,
      '--lock-wait',
      '1s',
    ]);
    expect(performance.now() - begun).to.be.within(1000, 10_000);
    expect([code, stdout]).to.deep.equal([10, '']);
    const holder = 'held by emulator@localhost, "mending it by hand", until 20\\d\\d-[\\dT:.-]+Z';
    expect(stderr).to.match(
      new RegExp(`^    machine ${id} is locked by another deploy, waiting: ${holder}$`, 'm'),
    );
    expect(stderr).to.match(new RegExp(`^✖ machine ${id} is locked by another deploy: ${holder}$`, 'm'));
    expect(stderr).to.contain('--lock-wait 30m');
    const after = await stage.machines('held');
    expect(after.map(({ instance_id }) => instance_id)).to.deep.equal([before[0]?.instance_id]);
  });

  it('is deployed twice at once in turn: both succeed, and all machines run the later release', async () => {
    const config = join(stage.folder, 'two.toml');
    await writeFile(config, flyToml('twice', 2));
    const deploy = async (image: PushedImage, ...flags: string[]): Promise<DeployResult> => {
      const args = ['deploy', '-c', config, '-i', image.reference, '--json', ...flags];
      const { code, stdout } = await stage.run(args);
      expect(code, stdout).to.equal(0);
      return JSON.parse(stdout) as DeployResult;
    };
    await deploy(first);
    const results = await Promise.all([deploy(second), deploy(first, '-e', 'ROUND=2')]);
    const [earlier, later] = results.sort((a, b) => a.release.version - b.release.version);
    expect(earlier.release).to.include({ version: 2, previous: 1 });
    expect(later.release).to.include({ version: 3, previous: 2 });
    for (const { config: now, instance_id: _version, id } of await stage.machines('twice')) {
      expect(now['image']).to.equal(later.image.deployed);
      expect(now.metadata).to.include({ deployer_release_id: later.release.id, fly_release_version: '3' });
      const lease = await stage.platform.client.call(`GET /apps/twice/machines/${id}/lease`);
      expect(lease.status, 'no lock stays behind').to.equal(404);
    }
  });

  it('is created by one of two first deploys; the other is told to come again', async () => {
    // Both have seen that there is no app before one of them creates it.
    await stage.fault({ match: { method: 'POST', pathPattern: '/v1/apps' }, answer: { delayMs: 1500 } });
    const args = ['deploy', '-a', 'new', '-i', first.reference, '--json'];
    const runs = await Promise.all([stage.run(args), stage.run(args)]);
    expect(runs.map(({ code }) => code).sort(), JSON.stringify(runs)).to.deep.equal([0, 10]);
    const refused = runs.find(({ code }) => code === 10);
    const { error } = JSON.parse(refused?.stdout ?? '') as { error: { code: string; message: string } };
    expect(error.code).to.equal('locked');
    expect(error.message).to.match(/^app new was created meanwhile, by another deploy of it/);
    expect(await stage.machines('new')).to.have.lengthOf(1);
  });
});
