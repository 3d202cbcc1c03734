import { expect } from 'chai';
import { DeployerError } from '../../../src/lib/errors.js';
import type { ReleaseEvent, ReleaseOutcome } from '../../../src/targets/target.js';
import { FlyEmulator, imageOf, type DeployOptions } from './fly-emulator.js';

type Failed = Extract<ReleaseOutcome, { error: unknown }>;

describe('a release that is interrupted', () => {
  let fly: FlyEmulator;

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  /** Deploys `new`, and presses Ctrl-C when an event's message says so. */
  async function interruptAt(
    moment: string,
    options: DeployOptions = {},
  ): Promise<{ outcome: ReleaseOutcome; events: readonly ReleaseEvent[] }> {
    const controller = new AbortController();
    return fly.deploy('new', {
      ...options,
      signal: controller.signal,
      onEvent: (event) => {
        if ('message' in event && event.message.includes(moment))
          controller.abort(new DeployerError('interrupted', 'interrupted by SIGINT'));
      },
    });
  }

  for (const moment of ['updating machine', 'waiting for the machine', '[1/3]', '[2/3]'])
    it(`puts back what was there when it is interrupted at "${moment}"`, async () => {
      await fly.seed(3);
      const { outcome, events } = await interruptAt(moment);
      expect(outcome.status).to.equal('rolled-back');
      const { error } = outcome as Failed;
      expect(error).to.include({ code: 'interrupted', exit: 130 });
      expect(error.message).to.equal('v2 was interrupted; v1 is back');
      expect(events.find(({ type }) => type === 'failed')).to.deep.equal({
        type: 'failed',
        reason: 'interrupted',
        undoing: true,
        remedy: 'putting v1 back',
      });
      for (const machine of fly.machines())
        expect(machine).to.deep.include({ image: imageOf('old').deployed, state: 'started', leased: false });
    });

  it('has changed nothing when it is interrupted while it waits for a lock', async () => {
    const [id] = await fly.seed(1);
    await fly.api('POST', `/machines/${id}/lease`, { ttl: 600 });
    const thrown: unknown = await interruptAt('locked by another').catch((error: unknown) => error);
    expect(thrown).to.include({
      code: 'interrupted',
      exit: 130,
      message: 'interrupted before anything was changed',
    });
    expect(fly.machines()[0]?.image).to.equal(imageOf('old').deployed);
  });

  it('destroys the machine of a first release, and says that the app stays', async () => {
    const { outcome } = await interruptAt('waiting for the machine');
    expect(outcome.status).to.equal('rolled-back');
    expect((outcome as Failed).error.message).to.equal(
      'v1 was interrupted; there was no release before; its machines were destroyed, the app shop stays',
    );
    await fly.clock.sleep(1000);
    expect(fly.machines()).to.be.empty;
  });

  it('leaves things as they are with --no-rollback, and still says that it was interrupted', async () => {
    await fly.seed(2);
    const { outcome } = await interruptAt('[1/2]', { rollback: false });
    expect(outcome.status).to.equal('failed');
    expect((outcome as Failed).error).to.include({ code: 'interrupted', exit: 130 });
    expect((outcome as Failed).error.evidence.join('\n')).to.include('v2');
    expect(fly.machines()[0]?.image).to.equal(imageOf('new').deployed);
  });
});
