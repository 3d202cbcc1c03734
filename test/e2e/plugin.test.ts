import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
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

  it("tells in its suggestions and its result to run the host's own commands", async () => {
    const second = await run('deploy', '-i', good.reference, '-e', 'ROUND=2');
    expect(second.stdout).to.match(/^v\d+ is live.* host release rollback v1\)\n$/);
    const events = join(stage.folder, 'events.ndjson');
    const missing = await run('deploy', '-i', `${good.reference}-not`, '--json', '--events', events);
    const { suggestions } = failureIn(missing);
    const told = `host image inspect ${good.reference}`;
    expect(suggestions).to.include(told);
    expect(missing.stderr).to.contain(`Try: ${told}\n`);
    const [unknown, diagnosed] = await Promise.all([
      run('release', 'show', 'v99'),
      run('image', 'diagnose', `${good.reference}-not`),
    ]);
    const all = [
      missing.stdout,
      missing.stderr,
      await readFile(events, 'utf8'),
      unknown.stderr,
      diagnosed.stdout,
    ];
    expect(unknown.stderr).to.contain('host release list');
    expect(all.join('\n')).not.to.match(/deployer (?:deploy|image|release|status)\b/);
  });

  it('outlives an output that breaks there too', async function () {
    const device = await stat('/dev/full').catch(() => undefined);
    if (device?.isCharacterDevice() !== true) this.skip();
    // Never made, should it be missing.
    const full = await open('/dev/full', 'r+');
    try {
      const args = ['deploy', '-i', good.reference, '-e', 'ROUND=3', '--json'];
      const outputs = { stdout: full.fd, stderr: full.fd };
      const { code } = await stage.run(args, { root: host.path, outputs });
      expect(code).to.equal(13);
      expect((await stage.machines('shop')).map(({ config }) => config['env'])).to.have.nested.property(
        '[0].ROUND',
        '3',
      );
    } finally {
      await full.close();
    }
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
