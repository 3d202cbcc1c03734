import { expect } from 'chai';
import { eventually } from '../support/eventually.js';
import { documentIn, failureIn } from '../support/json-documents.js';
import { makePluginHost } from '../support/plugin-host.js';
import type { Finished } from '../support/program.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';
import type { TempFolder } from '../support/temp-folder.js';

describe('as a plugin of another oclif program', function () {
  this.timeout(60_000);
  let host: TempFolder;
  let stage: Stage;
  let good: PushedImage;
  let bad: PushedImage;
  let deaf: PushedImage;

  before(async () => {
    [host, stage] = await Promise.all([makePluginHost(), setStage()]);
    [good, bad, deaf] = await Promise.all([
      stage.push('good'),
      stage.push('bad', { fate: 'out of memory' }),
      stage.push('deaf', { fate: 'never healthy' }),
    ]);
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await host.remove();
  });

  const run = (...args: string[]): Promise<Finished> => stage.run(args, { root: host.path });

  it("gives it the commands, under its name and beside the host's own", async () => {
    const [help, deploy, own] = await Promise.all([run('--help'), run('deploy', '--help'), run('hello')]);
    expect(help.stdout)
      .to.match(/^ {2}deploy +\S/m)
      .and.to.match(/^ {2}hello/m)
      .and.to.match(/^ {2}release +\S/m);
    expect(deploy.stdout).to.contain('$ host deploy').and.to.contain('--image');
    expect(own).to.deep.equal({ code: 0, stdout: 'hello from the host\n', stderr: '' });
  });

  it('deploys, and fails with the same exit codes and words, said once', async () => {
    const deployed = await run('deploy', '-i', good.reference, '--json');
    expect(deployed.code, deployed.stderr).to.equal(0);
    expect(documentIn('deploy', deployed.stdout).status).to.equal('succeeded');
    const status = await run('status');
    expect(status.stdout).to.match(/^shop on fly: v1\n/);

    const undone = await run('deploy', '-i', bad.reference);
    expect([undone.code, undone.stdout]).to.deep.equal([8, '']);
    expect(undone.stderr.match(/v2 failed: machine/g)).to.have.lengthOf(1);
    expect(undone.stderr).not.to.contain('EEXIT').and.not.to.contain('Error:');
    expect(failureIn(await run('deploy', '-i', `${good.reference}-not`, '--json')).exitCode).to.equal(3);
    expect(failureIn(await run('deploy', '--nonsense', '--json')).exitCode).to.equal(2);
  });

  it('undoes a release at Ctrl-C there too', async () => {
    const program = stage.start(['deploy', '-i', deaf.reference], { root: host.path });
    await eventually(() => expect(program.stderr()).to.contain('updating machine'));
    program.kill('SIGINT');
    const { code, stderr } = await program.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.contain('Interrupted: putting back what was there');
    const [machine] = await stage.machines('shop');
    expect(machine?.config['image']).to.equal(good.byDigest);
  });

  it("leaves a command that nobody knows to the host's own hook", async () => {
    const { code, stderr } = await run('nonsense');
    expect(code).to.equal(42);
    expect(stderr).to.contain('the host does not know nonsense').and.not.to.contain('is not a command of');
  });
});
