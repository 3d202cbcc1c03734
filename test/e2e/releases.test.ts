import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { documentIn, failureIn } from '../support/json-documents.js';
import type { Finished } from '../support/program.js';
import { flyToml, setStage, type PushedImage, type Stage } from '../support/stage.js';

describe('the releases of an app', function () {
  this.timeout(60_000);
  let stage: Stage;
  let one: PushedImage;
  let two: PushedImage;
  let bad: PushedImage;

  const succeeds = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await stage.run(args);
    expect(code, stdout + stderr).to.equal(0);
    return stdout;
  };

  // v1 and v2 on two machines, and a v3 that failed.
  before(async () => {
    stage = await setStage();
    [one, two, bad] = await Promise.all([
      stage.push('one'),
      stage.push('two'),
      stage.push('bad', { fate: 'out of memory' }),
    ]);
    await writeFile(join(stage.folder, 'fly.toml'), flyToml('shop', 2));
    await succeeds('deploy', '-i', one.reference, '-e', 'LEVEL=first');
    await succeeds('deploy', '-i', two.reference, '-e', 'LEVEL=second');
    expect((await stage.run(['deploy', '-i', bad.reference])).code).to.equal(8);
  });
  after(() => stage[Symbol.asyncDispose]());

  it('are told to a person: what runs, machine by machine, and what ran before', async () => {
    const [status, list, shown] = await Promise.all([
      succeeds('status'),
      succeeds('release', 'list'),
      succeeds('release', 'show', 'v3'),
    ]);
    const ids = (await stage.machines('shop')).map(({ id }) => id).sort();
    expect(status.split('\n')).to.deep.equal([
      'shop on fly: v2',
      `  image    ${two.byDigest}`,
      ...ids.map((id) => `  ${id}  started  passing  v2  ams`),
      '',
    ]);
    expect(list.replace(/20\d\d-\d\d-\d\dT[\d:.]+Z/g, 'TIME').split('\n')).to.deep.equal([
      `v3  rolled-back              TIME  ${bad.byDigest}`,
      `v2  running      2 machines  TIME  ${two.byDigest}`,
      `v1  past                     TIME  ${one.byDigest}`,
      '',
    ]);
    expect(shown)
      .to.match(/^v3 {2}rolled-back\n/)
      .and.to.contain(bad.byDigest);
  });

  it('are told to programs', async () => {
    const status = documentIn('status', await succeeds('status', '--json'));
    expect(status.release).to.include({ version: 2, digest: two.digest, status: 'running', units: 2 });
    expect(status.machines.map(({ health }) => health)).to.deep.equal(['passing', 'passing']);

    const { releases } = documentIn('releaseList', await succeeds('release', 'list', '--json'));
    expect(releases.map((release) => [release.version, release.status, release.digest])).to.deep.equal([
      [3, 'rolled-back', bad.digest],
      [2, 'running', two.digest],
      [1, 'past', one.digest],
    ]);
    const running = releases[1];
    for (const name of ['v2', '2', running?.id ?? '']) {
      const shown = documentIn('releaseShow', await succeeds('release', 'show', name, '--json'));
      expect(shown.release, name).to.deep.equal(running);
      expect(shown.machines, name).to.have.lengthOf(2);
    }
    const failures: readonly (readonly [string, Finished])[] = [
      ['app_not_found', await stage.run(['status', '--json', '-a', 'nobody'])],
      ['release_not_found', await stage.run(['release', 'show', 'v9', '--json'])],
      ['release_not_found', await stage.run(['release', 'rollback', 'v9', '--json'])],
    ];
    for (const [code, run] of failures) expect(failureIn(run)).to.include({ code, exitCode: 3 });
    const there = 'there: v3 (rolled-back), v2 (running), v1 (past)';
    expect(failureIn(failures[2]?.[1] as Finished).evidence).to.deep.equal([there]);
  });

  it('are put back: planned first, then done, digest and environment as they were', async () => {
    const run = await stage.run(['release', 'rollback', 'v1', '--dry-run', '--events', '-']);
    const events = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.at(-1)?.type).to.equal('done');
    expect(run.stderr).to.match(/^ {2}POST http:\S+ {2}update machine \w+ to v4$/m);
    const planned = documentIn('plan', await succeeds('release', 'rollback', 'v1', '--dry-run', '--json'));
    expect(planned.plan.writes.map(({ summary }) => summary)).to.have.lengthOf(5);
    expect(await running()).to.deep.equal(Array(2).fill([two.byDigest, 'second', '2']));

    expect(await succeeds('release', 'rollback', 'v1')).to.equal(
      'v4 is live   (previous: v2; deployer release rollback v2)\n',
    );
    expect(await running()).to.deep.equal(Array(2).fill([one.byDigest, 'first', '4']));

    const back = documentIn('deploy', await succeeds('release', 'rollback', '--json'));
    expect(back).to.deep.include({ status: 'succeeded' });
    expect(back.release).to.include({ version: 5, previous: 4 });
    expect(back.image.deployed, 'that of the one before the present').to.equal(two.byDigest);
    expect(await running()).to.deep.equal(Array(2).fill([two.byDigest, 'second', '5']));
  });

  it('are not put back blindly: one that fails again is undone', async () => {
    const before = await running();
    const { code, stderr } = await stage.run(['release', 'rollback', 'v3']);
    expect(code).to.equal(8);
    expect(stderr).to.match(/✖ v\d failed: machine \w+ was killed: out of memory .*; v\d is back/);
    expect(await running()).to.deep.equal(before);
  });

  /** Image, environment and release of each machine. */
  async function running(): Promise<readonly unknown[]> {
    return (await stage.machines('shop')).map(({ config }) => [
      config['image'],
      (config['env'] as Record<string, string>)['LEVEL'],
      config.metadata?.['fly_release_version'],
    ]);
  }
});
