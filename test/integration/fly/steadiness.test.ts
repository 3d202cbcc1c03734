import { expect } from 'chai';
import type { ReleaseOutcome } from '../../../src/targets/target.js';
import { FlyEmulator, imageOf, WEB, type DeployOptions } from './fly-emulator.js';

type Failed = Extract<ReleaseOutcome, { error: unknown }>;

const NEW = { imageDigest: imageOf('new').digest };

describe('a release is called healthy', () => {
  let fly: FlyEmulator;

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  async function expectUndone(machines: number, why: RegExp, options: DeployOptions = {}): Promise<void> {
    const { outcome, events } = await fly.deploy('new', options);
    expect(outcome.status, JSON.stringify(events)).to.equal('rolled-back');
    const { error } = outcome as Failed;
    expect(error).to.include({ code: 'release_rolled_back', exit: 8 });
    expect(error.message).to.match(why);
    for (const { state, image } of fly.machines())
      expect({ state, image }).to.deep.equal({ state: 'started', image: imageOf('old').deployed });
    expect(fly.machines()).to.have.lengthOf(machines);
  }

  for (const afterMs of [50, 1000, 2500, 4000])
    it(`not when its one machine dies ${afterMs} ms after its first pass`, async () => {
      await fly.seed(1);
      fly.fault({ match: NEW, effect: { crash: { afterMs: 200 + afterMs, exitCode: 7 } } });
      await expectUndone(1, /exit(ed with)? code 7|exited \d+ times, exit code 7/);
    });

  it('not when the last of its machines dies after its first pass', async () => {
    const ids = await fly.seed(3);
    const match = { ...NEW, machine: ids[2] as string };
    fly.fault({ match, effect: { crash: { afterMs: 3000, exitCode: 7 } } });
    await expectUndone(3, new RegExp(`machine ${ids[2]} .*exit`));
  });

  it('not when a check that passed fails again, and stays so', async () => {
    const [first] = await fly.seed(3);
    const match = { ...NEW, machine: first as string };
    fly.fault({ match, effect: { checks: { failAfterMs: 6500, output: 'no database' } } });
    const config = { waitTimeoutMs: 8000 };
    await expectUndone(3, new RegExp(`machine ${first} timed out`), { config });
  });

  it('when a check that failed again passes in the end', async () => {
    const [first] = await fly.seed(2);
    const match = { ...NEW, machine: first as string };
    fly.fault({ match, effect: { checks: { failAfterMs: 2000, passAfterMs: 9000, output: 'busy' } } });
    const begun = fly.clock.now();
    const { outcome } = await fly.succeed('new');
    expect(fly.clock.now() - begun).to.be.greaterThan(14_000);
    expect(outcome.units.map(({ health }) => health)).to.deep.equal(['passing', 'passing']);
  });

  it('for a rolling release of any size, after two times its steady time more than its machines take', async () => {
    await fly.seed(6);
    const begun = fly.clock.now();
    await fly.succeed('new');
    const quick = { minHealthyMs: 0 };
    const took = fly.clock.now() - begun;
    // The API's limit on requests is not to slow one of them and not the other.
    await fly.clock.sleep(60_000);
    const again = fly.clock.now();
    await fly.succeed('newer', { config: quick });
    expect(took - (fly.clock.now() - again)).to.be.within(7000, 14_000);
  });

  it('when its machine has stayed up as long as the file asks', async () => {
    await fly.seed(1);
    const begun = fly.clock.now();
    await fly.succeed('new', { config: { minHealthyMs: 20_000 } });
    expect(fly.clock.now() - begun).to.be.greaterThan(20_000);
  });

  describe('with --strategy immediate', () => {
    const config = { strategy: 'immediate' as const };

    it('not while a crashing image replaces the old one', async () => {
      await fly.seed(3);
      fly.fault({ match: NEW, effect: { crash: { afterMs: 2000, exitCode: 7 } } });
      await expectUndone(3, /exit(ed with)? code 7|exit code 7/, { config });
    });

    it('not while its checks do not pass', async () => {
      await fly.seed(2);
      fly.fault({ match: NEW, effect: { checks: { output: 'no database' } } });
      await expectUndone(2, /timed out after 8.0s/, { config: { ...config, waitTimeoutMs: 8000 } });
    });

    it('when all machines, changed at once, run the new version and have stayed healthy', async () => {
      await fly.seed(3);
      const { outcome, events } = await fly.succeed('new', { config });
      const messages = events.flatMap((event) => ('message' in event ? [event.message] : []));
      expect(messages.slice(0, 3).every((message) => message.startsWith('updating'))).to.equal(true);
      for (const unit of outcome.units)
        expect(unit).to.deep.include({ health: 'passing', image: imageOf('new').deployed });
    });
  });

  it('never with --detach, which says of no machine that it is healthy', async () => {
    await fly.seed(2);
    const { outcome } = await fly.deploy('new', { detach: true });
    expect(outcome).to.include({ status: 'detached', verified: 'nothing' });
    expect(outcome.units.map(({ health }) => health)).to.deep.equal(['unknown', 'unknown']);
  });

  it('only as started when no check is configured, and says so in plan, events and outcome', async () => {
    const config = { httpService: { ...WEB, checks: [] } };
    await fly.seed(1, { config });
    const state = await fly.target.inspect('shop', new AbortController().signal);
    const plan = fly.target.plan(fly.request('new', { config }), state);
    expect(plan.summary).to.include('no checks are configured: it will be started, not proven to answer');
    const { outcome, events } = await fly.succeed('new', { config });
    expect(outcome).to.include({ verified: 'started' });
    const warning = events.find((event) => event.type === 'log' && event.level === 'warning');
    expect(warning).to.have.property('message').that.includes('[[http_service.checks]]');
  });
});
