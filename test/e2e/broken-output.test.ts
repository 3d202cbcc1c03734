import { open, stat, type FileHandle } from 'node:fs/promises';
import { expect } from 'chai';
import { eventually } from '../support/eventually.js';
import { requires } from '../support/requirements.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

/** A device on which every write fails with ENOSPC. Only ever written to. */
const FULL = '/dev/full';

describe('an output that breaks', function () {
  // macOS has no such device.
  requires('linux');
  this.timeout(60_000);
  let stage: Stage;
  let image: PushedImage;
  let full: FileHandle;

  before(async () => {
    expect((await stat(FULL)).isCharacterDevice(), FULL).to.equal(true);
    // Never made, should it be missing.
    full = await open(FULL, 'r+');
    stage = await setStage();
    image = await stage.push('v1');
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await full.close();
  });

  async function expectLive(app: string): Promise<void> {
    const machines = await stage.machines(app);
    expect(machines.map(({ state, config }) => [state, config['image']])).to.deep.equal([
      ['started', image.byDigest],
    ]);
    const lease = await stage.platform.client.call(`GET /apps/${app}/machines/${machines[0]?.id}/lease`);
    expect(lease.status, 'a lease that was left').to.equal(404);
  }

  it('does not break a deploy off when it is stderr, full or without a reader', async () => {
    const args = (app: string): string[] => ['deploy', '-a', app, '-i', image.reference];
    const onFull = await stage.run(args('full'), { outputs: { stderr: full.fd } });
    expect([onFull.code, onFull.stdout]).to.deep.equal([0, 'v1 is live\n']);
    await expectLive('full');

    const unread = stage.start(args('unread'));
    await eventually(() => expect(unread.stderr()).to.contain('==>'));
    unread.stopReading();
    const { code, stdout } = await unread.finished;
    expect([code, stdout]).to.deep.equal([0, 'v1 is live\n']);
    await expectLive('unread');
  });

  it('is no bug and no failed deploy when it is stdout: what was asked is done, and exit 13 says what is missing', async () => {
    const outputs = { stdout: full.fd };
    for (const [app, ...flags] of [['json', '--json'], ['text'], ['quiet', '--json', '--quiet']]) {
      const { code, stderr } = await stage.run(
        ['deploy', '-a', app as string, '-i', image.reference, ...flags],
        { outputs },
      );
      expect(code, stderr).to.equal(13);
      expect(stderr).to.match(
        /✖ the result could not be written to stdout: ENOSPC.*\n {2}what was asked for is done/,
      );
      expect(stderr).not.to.contain('bug');
      await expectLive(app as string);
    }
    for (const args of [
      ['status', '-a', 'json'],
      ['status', '-a', 'json', '--json'],
      ['--help'],
      ['--version'],
    ]) {
      const { code, stderr } = await stage.run(args, { outputs });
      expect([code, stderr.includes('bug')], args.join(' ')).to.deep.equal([13, false]);
    }
  });

  it('leaves the exit code and the words of a failure as they are', async () => {
    const args = ['deploy', '-i', `${image.reference}-not`, '--json'];
    const { code, stderr } = await stage.run(args, { outputs: { stdout: full.fd } });
    expect(code).to.equal(3);
    expect(stderr).to.contain('✖ failed to fetch an image').and.not.to.contain('stdout');
    expect((await stage.run(args, { outputs: { stdout: full.fd, stderr: full.fd } })).code).to.equal(3);
  });
});
