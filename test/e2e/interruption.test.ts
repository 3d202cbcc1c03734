import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { eventually } from '../support/eventually.js';
import { PROJECT, type RunningProgram } from '../support/program.js';
import { findProgram } from '../support/requirements.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

const TOLD = 'Interrupted: putting back what was there; press Ctrl-C again to stop at once\n';

describe('a deploy that is interrupted', function () {
  this.timeout(60_000);
  let stage: Stage;
  let good: PushedImage;
  /** A release of it goes on until it is stopped. */
  let bad: PushedImage;

  before(async () => {
    stage = await setStage();
    [good, bad] = await Promise.all([stage.push('good'), stage.push('bad', { fate: 'never healthy' })]);
  });
  after(() => stage[Symbol.asyncDispose]());

  /** A release of the bad image over one of the good, with its machine changed already. */
  async function midRelease(app: string, ...flags: string[]): Promise<RunningProgram> {
    const { code, stderr } = await stage.run(['deploy', '-a', app, '-i', good.reference]);
    expect(code, stderr).to.equal(0);
    const program = stage.start(['deploy', '-a', app, '-i', bad.reference, ...flags]);
    await eventually(() => expectImage(app, bad));
    return program;
  }
  async function expectImage(app: string, image: PushedImage): Promise<void> {
    const machines = await stage.machines(app);
    expect(machines.map(({ state, config }) => [state, config['image']])).to.deep.equal([
      ['started', image.byDigest],
    ]);
  }
  async function isLocked(app: string): Promise<boolean> {
    const [machine] = await stage.machines(app);
    const { status } = await stage.platform.client.call(`GET /apps/${app}/machines/${machine?.id}/lease`);
    return status === 200;
  }

  it('says what it undoes, undoes it, and ends with 130', async () => {
    const program = await midRelease('plain');
    program.kill('SIGINT');
    const { code, stdout, stderr } = await program.finished;
    expect([code, stdout]).to.deep.equal([130, '']);
    const [, after = ''] = stderr.split(TOLD);
    expect(after).to.match(
      /^ {4}interrupted; putting v1 back\n( {4}machine \w+: .+\n)+ {4}machine \w+ is as before\n {4}v1 is back\n✖ v2 was interrupted; v1 is back\n/,
    );
    await expectImage('plain', good);
    expect(await isLocked('plain')).to.equal(false);
  });

  it('says so in --json and --events too, and takes SIGTERM, which CI sends, for the same', async () => {
    const events = join(stage.folder, 'interrupted.ndjson');
    const program = await midRelease('json', '--json', '--quiet', '--events', events);
    program.kill('SIGTERM');
    const { code, stdout, stderr } = await program.finished;
    expect([code, stderr]).to.deep.equal([130, TOLD]);
    const document = JSON.parse(stdout) as object;
    expect(document).to.have.nested.include({
      status: 'rolled-back',
      'error.code': 'interrupted',
      'error.exitCode': 130,
      'machines[0].image': good.byDigest,
    });
    const last = (await readFile(events, 'utf8')).trimEnd().split('\n').at(-1) ?? '';
    expect(JSON.parse(last)).to.have.nested.include({ type: 'done', 'error.code': 'interrupted' });
    await expectImage('json', good);
  });

  it('ends with 9 when what was there could not be put back, whoever stopped it', async () => {
    const program = await midRelease('stuck', '--json', '--quiet');
    const [machine] = await stage.machines('stuck');
    await stage.fault({
      match: { machine: machine?.id, imageDigest: good.digest },
      effect: { crash: { afterMs: 0, exitCode: 5 } },
    });
    program.kill('SIGTERM');
    const { code, stdout } = await program.finished;
    expect(code, stdout).to.equal(9);
    const document = JSON.parse(stdout) as { error: { message: string; evidence: string[] } };
    expect(document).to.deep.include({ status: 'failed' });
    expect(document.error).to.include({
      code: 'release_failed',
      exitCode: 9,
      message: `v2 was interrupted; and 1 of 1 changed machines could not be put back: ${machine?.id}`,
    });
    expect(document.error.evidence.join('\n')).to.match(/exit_code=5/);
  });

  it('takes one Ctrl-C that comes twice, from the terminal and from npx, for one wish', async () => {
    const program = await midRelease('twice');
    program.kill('SIGINT');
    await delay(20);
    program.kill('SIGINT');
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.match(/✖ v2 was interrupted; v1 is back\n/);
    await expectImage('twice', good);
  });

  it('takes SIGHUP for the same, and the signals that follow of themselves for no second wish', async () => {
    const program = await midRelease('hup');
    program.kill('SIGHUP');
    await eventually(() => expect(program.stderr()).to.contain(TOLD));
    program.kill('SIGHUP');
    program.kill('SIGTERM');
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.match(/✖ v2 was interrupted; v1 is back\n/);
    await expectImage('hup', good);
    expect(await isLocked('hup')).to.equal(false);
  });

  it('is undone too when its terminal closes', async function () {
    if (findProgram('script') === undefined) this.skip();
    expect((await stage.run(['deploy', '-a', 'closed', '-i', good.reference])).code).to.equal(0);
    const deploy = `${process.execPath} ${PROJECT}/bin/run.js deploy -a closed -i ${bad.reference}`;
    const terminal = spawn('script', ['--quiet', '--command', `stty cols 200; exec ${deploy}`, '/dev/null'], {
      env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...stage.env },
      cwd: stage.folder,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await eventually(() => expectImage('closed', bad));
    terminal.kill('SIGKILL');
    await eventually(() => expectImage('closed', good));
    await eventually(async () => expect(await isLocked('closed')).to.equal(false));
  });

  it('stops at once at a second Ctrl-C, and says that nothing more was undone', async () => {
    // The undo is slow: it is under way when the second signal comes.
    await stage.fault({
      match: { method: 'POST', pathPattern: '/v1/apps/halt/machines/*', nth: 2 },
      answer: { delayMs: 30_000 },
    });
    const program = await midRelease('halt');
    program.kill('SIGINT');
    await eventually(() => expect(program.stderr()).to.contain('putting v1 back'));
    // Sooner it might be the first one's echo.
    await delay(350);
    const asked = performance.now();
    program.kill('SIGINT');
    const { code, stderr } = await program.finished;
    expect(code).to.equal(130);
    expect(performance.now() - asked).to.be.below(2000);
    expect(stderr).to.match(
      /✖ stopped at once; what was under way was not undone\n {2}machines of halt run v2 or what ran before it; their locks end by themselves within 13 s\n {2}Try: deployer status -a halt\n {2}Try: deployer release rollback v1 -a halt\n$/,
    );
    await expectImage('halt', bad);
  });

  it('has changed nothing while it only waited for the lock', async () => {
    expect((await stage.run(['deploy', '-a', 'wait', '-i', good.reference])).code).to.equal(0);
    const [machine] = await stage.machines('wait');
    await stage.platform.client.ok(`POST /apps/wait/machines/${machine?.id}/lease`, { body: { ttl: 60 } });
    const program = stage.start(['deploy', '-a', 'wait', '-i', bad.reference]);
    await eventually(() => expect(program.stderr()).to.contain('is locked by another deploy, waiting'));
    program.kill('SIGINT');
    const { code, stderr } = await program.finished;
    expect(code).to.equal(130);
    expect(stderr).to.match(/✖ interrupted before anything was changed\n$/);
    await expectImage('wait', good);
  });
});
