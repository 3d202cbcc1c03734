import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { LINUX_ARM64 } from '../support/image-fixtures.js';
import { documentIn, failureIn } from '../support/json-documents.js';
import type { Finished } from '../support/program.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

describe('--json', function () {
  this.timeout(60_000);
  let stage: Stage;
  let good: PushedImage;
  let greedy: PushedImage;
  let deaf: PushedImage;
  let foreign: PushedImage;

  before(async () => {
    stage = await setStage();
    [good, greedy, deaf, foreign] = await Promise.all([
      stage.push('good'),
      stage.push('greedy', { fate: 'out of memory' }),
      stage.push('deaf', { fate: 'never healthy' }),
      stage.push('foreign', { platform: LINUX_ARM64 }),
    ]);
  });
  after(() => stage[Symbol.asyncDispose]());

  const deploy = (app: string, image: { reference: string }, ...flags: string[]): Promise<Finished> =>
    stage.run(['deploy', '--json', '-a', app, '-i', image.reference, ...flags]);
  const succeeds = ({ code, stdout, stderr }: Finished): string => {
    expect(code, `${stdout}${stderr}`).to.equal(0);
    return stdout;
  };

  it('makes a deploy one document: what would be done, what was, and that nothing was to do', async () => {
    const { plan } = documentIn('plan', succeeds(await deploy('shop', good, '--dry-run')));
    expect(plan.steps.map(({ step }) => step)).to.deep.equal(['adapt', 'build', 'push', 'release']);
    const { apiUrl } = stage.platform.emulator;
    expect(plan.writes.map(({ method, url }) => `${method} ${url}`)).to.deep.equal([
      `POST ${apiUrl}/v1/apps`,
      `POST ${apiUrl}/v1/apps/shop/ip_assignments`,
      `POST ${apiUrl}/v1/apps/shop/ip_assignments`,
      `POST ${apiUrl}/v1/apps/shop/machines`,
      `POST ${apiUrl}/v1/apps/shop/machines/*/metadata/deployer_health`,
    ]);
    expect((await stage.platform.client.call('GET /apps/shop')).status, 'a dry run').to.equal(404);

    const first = documentIn('deploy', succeeds(await deploy('shop', good)));
    expect(first).to.deep.include({
      status: 'succeeded',
      app: 'shop',
      image: { requested: good.reference, deployed: good.byDigest, digest: good.digest },
    });
    expect(first.release.version).to.equal(1);
    const [machine] = await stage.machines('shop');
    expect(first.machines).to.deep.equal([{ id: machine?.id, state: 'started', health: 'passing' }]);

    const again = documentIn('deploy', succeeds(await deploy('shop', good)));
    expect(again).to.deep.include({ status: 'unchanged', release: first.release });
  });

  it('makes each failure one document with its exit code, before anything was changed', async () => {
    const missing = { reference: good.reference.replace(/good$/, 'god') };
    const failures = {
      usage: [await deploy('shop', good, '--nonsense'), 2],
      tag_not_found: [await deploy('shop', missing), 3],
      api_unauthorized: [
        await stage.run(['deploy', '--json', '-i', good.reference], {
          env: { DEPLOYER_API_TOKEN: 'wrong-token' },
        }),
        4,
      ],
      platform_not_found: [await deploy('shop', foreign), 5],
      connection_refused: [
        await deploy('shop', good, '--api-url', `http://127.0.0.1:${await freePort()}`),
        12,
      ],
    } as const;
    for (const [code, [run, exit]] of Object.entries(failures)) {
      expect(failureIn(run), code).to.include({ code, exitCode: exit });
      expect(run.stderr, code).to.match(/^✖ /m);
    }
  });

  it('leaves the progress of a deploy on stderr, and with --quiet nothing there, not even the failure', async () => {
    const loud = await deploy('loud', good);
    expect(loud.stderr)
      .to.match(/^==> Verify configuration\n/)
      .and.to.contain('1/1 healthy\n');
    expect(loud.stderr).not.to.contain('is live');
    const quiet = await deploy('quiet', good, '--quiet');
    expect([quiet.code, quiet.stderr]).to.deep.equal([0, '']);
    const failed = await deploy('quiet', { reference: `${good.reference}-not` }, '--quiet');
    expect([failureIn(failed).exitCode, failed.stderr]).to.deep.equal([3, '']);
  });

  it('shows what runs after a release that failed beside the error: 8, 9, 10, 11', async () => {
    const apps = ['undone', 'left', 'held', 'late'];
    await Promise.all(apps.map(async (app) => succeeds(await deploy(app, good))));
    const [held] = await stage.machines('held');
    await stage.platform.client.ok(`POST /apps/held/machines/${held?.id}/lease`, { body: { ttl: 60 } });
    const [undone, left, locked, late] = await Promise.all([
      deploy('undone', greedy),
      deploy('left', greedy, '--no-rollback'),
      deploy('held', greedy, '--lock-wait', '0s'),
      deploy('late', deaf, '--no-rollback', '--wait-timeout', '2s'),
    ]);
    expect(failureIn(undone)).to.include({ code: 'release_rolled_back', exitCode: 8 });
    expect(documentIn('deploy', undone.stdout)).to.deep.include({
      status: 'rolled-back',
      machines: [{ id: (await stage.machines('undone'))[0]?.id, state: 'started', health: 'passing' }],
    });
    expect(failureIn(left)).to.include({ code: 'release_failed', exitCode: 9 });
    expect(documentIn('deploy', left.stdout).status).to.equal('failed');
    expect(failureIn(locked)).to.include({ code: 'locked', exitCode: 10 });
    expect(failureIn(late)).to.include({ code: 'timed_out', exitCode: 11 });
    expect(documentIn('deploy', late.stdout)).to.deep.include({
      status: 'failed',
      machines: [{ id: (await stage.machines('late'))[0]?.id, state: 'started', health: 'critical' }],
    });
  });

  it('makes an inspected, a diagnosed and a copied image one document each, and their failures', async () => {
    const inspect = await stage.run(['image', 'inspect', good.reference, '--json']);
    const inspection = documentIn('inspection', succeeds(inspect));
    expect(inspection).to.include({ reference: good.reference, digest: good.digest, kind: 'index' });
    expect(inspection.platforms.map(({ os, architecture }) => `${os}/${architecture}`)).to.deep.equal([
      'linux/amd64',
    ]);
    expect(inspection.attestations[0]?.subject).to.equal(inspection.platforms[0]?.digest);

    const diagnose = await stage.run(['image', 'diagnose', good.reference, '--json']);
    const { clients, targets } = documentIn('diagnosis', succeeds(diagnose));
    expect(clients.map(({ name }) => name)).to.include.members(['full', 'docker-only', 'head', 'anonymous']);
    expect(targets.find(({ name }) => name === 'fly')).to.include({ runs: true, adaptation: 'none' });

    const destination = good.reference.replace('/shop:', '/copies/shop:');
    const copy = documentIn(
      'copy',
      succeeds(await stage.run(['image', 'copy', good.reference, destination, '--json'])),
    );
    expect(copy).to.deep.include({ source: good.reference, destination, digest: good.digest, bytesSent: 0 });
    expect(copy.blobsMounted).to.be.above(0);

    const missing = `${good.reference}-not`;
    expect(failureIn(await stage.run(['image', 'inspect', missing, '--json'])).exitCode).to.equal(3);
    expect(failureIn(await stage.run(['image', 'inspect', '--json'])).exitCode).to.equal(2);
    expect(failureIn(await stage.run(['image', 'nonsense', '--json'])).exitCode).to.equal(2);
  });
});
