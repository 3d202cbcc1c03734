import { expect } from 'chai';
import type { ReleaseDocument, ReleaseListDocument, StatusDocument } from '../../src/deploy/app-documents.js';
import type { DeployResult } from '../../src/deploy/result.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

const APP = ['-a', 'shop'];

describe('the releases of an app', function () {
  this.timeout(60_000);
  let stage: Stage;
  let images: readonly [PushedImage, PushedImage];

  before(async () => {
    stage = await setStage();
    images = await Promise.all([stage.push('one'), stage.push('two')]);
    const [one, two] = images;
    await say(['deploy', '-i', one.reference, '-e', 'MODE=classic']);
    await say(['deploy', '-i', two.reference, '-e', 'MODE=modern']);
  });
  after(() => stage[Symbol.asyncDispose]());

  async function say(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await stage.run(args);
    expect(code, stderr).to.equal(0);
    return stdout;
  }
  async function ask<Document>(args: readonly string[]): Promise<Document> {
    return JSON.parse(await say([...args, '--json'])) as Document;
  }

  it('are listed newest first, for a person and for a program', async () => {
    const { app, target, releases } = await ask<ReleaseListDocument>(['release', 'list', ...APP]);
    expect([app, target]).to.deep.equal(['shop', 'fly']);
    expect(releases.map(({ version, status, digest }) => [version, status, digest])).to.deep.equal([
      [2, 'running', images[1].digest],
      [1, 'past', images[0].digest],
    ]);
    const [newest, older] = (await say(['release', 'list', ...APP])).split('\n');
    expect(newest).to.match(/^v2 {2}running {2}1 machine {2}20\d\d-\S+Z {2}localhost:\d+\/shop@sha256:/);
    expect(older).to.match(/^v1 {2}past {16}20\d\d-/);
  });

  it('are shown one by one, the one that runs unless told', async () => {
    const shown = await ask<ReleaseDocument>(['release', 'show', ...APP]);
    expect(shown.release).to.include({ version: 2, status: 'running', image: images[1].byDigest });
    expect(shown.machines).to.have.lengthOf(1);
    const past = await say(['release', 'show', 'v1', ...APP]);
    expect(past).to.match(/^v1 {2}past\n {2}id {7}\S+\n {2}image {4}\S+sha256:\S+\n {2}since {4}20/);
    expect(past).to.include('runs on no machine');
  });

  it('are told by the status, with each machine', async () => {
    const status = await ask<StatusDocument>(['status', ...APP]);
    expect(status.release).to.include({ version: 2, units: 1 });
    expect(status.machines[0]).to.include({ state: 'started', health: 'passing', releaseVersion: 2 });
    const text = await say(['status', ...APP]);
    expect(text).to.match(
      /^shop on fly: v2\n {2}image {4}\S+\n {2}\w{14} {2}started {2}passing {2}v2 {2}ams\n$/,
    );
  });

  it('show by --dry-run what a rollback would write, and write nothing', async () => {
    const before = await stage.machines('shop');
    const text = await say(['release', 'rollback', ...APP, '--dry-run']);
    expect(text).to.include('Release v3: v1 again (rolling, 1 machine)').and.to.include('/lease');
    expect((await stage.machines('shop'))[0]?.instance_id).to.equal(before[0]?.instance_id);
  });

  it('are put back by a rollback, with the environment that they had, as a release of its own', async () => {
    const result = await ask<DeployResult>(['release', 'rollback', ...APP]);
    expect(result).to.deep.include({ status: 'succeeded', app: 'shop' });
    expect(result.release).to.include({ version: 3, previous: 2 });
    const [machine] = await stage.machines('shop');
    expect(machine?.config).to.deep.include({ image: images[0].byDigest, env: { MODE: 'classic' } });
  });

  it('are not guessed: exit 3 for one that is not there, naming those that are; exit 3 for an app that is not', async () => {
    const { code, stdout } = await stage.run(['release', 'rollback', 'v42', ...APP, '--json']);
    expect(code).to.equal(3);
    const { error } = JSON.parse(stdout) as { error: { code: string; evidence: string[] } };
    expect(error.code).to.equal('release_not_found');
    expect(error.evidence.join()).to.include('v1 (past)');
    const absent = await stage.run(['status', '-a', 'nowhere']);
    expect([absent.code, absent.stdout]).to.deep.equal([3, '']);
    expect(absent.stderr).to.include('there is no app nowhere');
  });
});
