import { expect } from 'chai';
import type { MachineFault } from '../../../src/emulator/machines/faults.js';
import type { ReleaseEvent, ReleaseOutcome } from '../../../src/targets/target.js';
import { APP, FlyEmulator, imageOf, type Deployed } from './fly-emulator.js';

type Failed = Extract<ReleaseOutcome, { error: unknown }>;

describe('putting back what was there', () => {
  let fly: FlyEmulator;
  const NEW = { imageDigest: imageOf('new').digest };
  const OLD = { imageDigest: imageOf('old').digest };
  const MACHINE = '/v1/apps/shop/machines/*';

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  function expectNotBack({ status, error }: Failed, id = ''): void {
    expect(status).to.equal('failed');
    expect(error).to.include({ code: 'release_failed', exit: 9 });
    expect(error.message).to.include(`1 of 1 changed machines could not be put back: ${id}`);
  }

  /** One machine that serves, though its check says that it does not. */
  async function seedUnwell(): Promise<string> {
    const [id = ''] = await fly.seed(1);
    fly.fault({ match: OLD, effect: { checks: {} } });
    await fly.api('POST', `/machines/${id}/restart`);
    await fly.api('GET', `/machines/${id}/wait?state=started&timeout=10`);
    return id;
  }

  it('has not put a machine back that was started, however unwell, and does not start again', async () => {
    const id = await seedUnwell();
    fly.fault({ match: NEW, effect: { oom: { afterMs: 50 } } });
    fly.fault({ match: OLD, effect: { neverStarts: true } });
    const { outcome } = await fly.deploy('new', { config: { waitTimeoutMs: 8000 } });
    expectNotBack(outcome as Failed, id);
    const { evidence } = (outcome as Failed).error;
    expect(evidence[0]).to.equal(`machine ${id}: machine ${id} timed out after 8.0s waiting for it to start`);
    expect(evidence[1]).to.equal(`machine ${id}: state starting`);
    expect(evidence[2], 'its last event').to.match(/^[\d:]{8} update replaced by flyd$/);
    expect(outcome.units[0]?.state).to.equal('starting');
  });

  it('remembers the release as failed, not as rolled back, and tells what is up of the one that runs', async () => {
    const [id = ''] = await fly.seed(2);
    fly.fault({ match: NEW, effect: { oom: { afterMs: 50 } } });
    fly.fault({ match: { ...OLD, machine: id }, effect: { neverStarts: true } });
    const { outcome } = await fly.deploy('new', { config: { waitTimeoutMs: 8000, strategy: 'immediate' } });
    expect((outcome as Failed).error.message).to.include('1 of 2 changed machines could not be put back');
    expect(await listed()).to.deep.equal([
      [2, 'failed', 0, 0],
      [1, 'running', 2, 1],
    ]);
    fly.clearFaults();
    await fly.succeed('newer');
    expect(await listed(), 'for good').to.deep.equal([
      [3, 'running', 2, 2],
      [2, 'failed', 0, 0],
      [1, 'past', 0, 0],
    ]);
  });

  async function listed(): Promise<unknown[]> {
    const releases = await fly.target.releases(APP, new AbortController().signal);
    return releases.map(({ version, status, units, unitsUp }) => [version, status, units, unitsUp]);
  }

  it('has not put a machine back that its update never reached, and that has died meanwhile', async () => {
    const [id = ''] = await fly.seed(1);
    const crash = { match: OLD, effect: { crash: { afterMs: 0, exitCode: 7 } } };
    fly.fault({ match: { method: 'POST', pathPattern: MACHINE }, answer: { drop: true }, times: 3 });
    const { outcome } = await fly.deploy('new', {
      config: { waitTimeoutMs: 8000 },
      onEvent: (event) => {
        if (!('message' in event) || !event.message.includes('updating machine')) return;
        fly.fault(crash);
        fly.killMachine(id);
      },
    });
    expectNotBack(outcome as Failed, id);
    expect((outcome as Failed).error.evidence.join('\n')).to.match(/exit_code=7/);
  });

  it('has put a machine back that was stopped before and is so again', async () => {
    const [id = ''] = await fly.seed(1);
    fly.stopMachine(id);
    await fly.api('GET', `/machines/${id}/wait?state=stopped&timeout=10`);
    fly.fault({ match: NEW, effect: { oom: { afterMs: 50 } } });
    const { outcome } = await fly.deploy('new');
    expect(outcome.status).to.equal('rolled-back');
    expect((outcome as Failed).error.exit).to.equal(8);
    expect(fly.machines()[0]).to.include({ state: 'stopped', image: imageOf('old').deployed });
  });

  describe('one machine of two, which dies while the other is put back,', () => {
    /** @returns the release, and the machine that was put back first */
    async function deployAndKill(
      effect?: MachineFault['effect'],
    ): Promise<{ deployed: Deployed; first: string }> {
      const [, first = ''] = await fly.seed(2);
      fly.fault({ match: { ...NEW, machine: first }, effect: { oom: { afterMs: 50 } } });
      let killed = false;
      const deployed = await fly.deploy('new', {
        config: { waitTimeoutMs: 8000 },
        onEvent: (event) => {
          if (killed || !('message' in event) || event.message !== `machine ${first} is as before`) return;
          killed = true;
          if (effect !== undefined) fly.fault({ match: { ...OLD, machine: first }, effect });
          fly.killMachine(first);
        },
      });
      return { deployed, first };
    }

    it('has not been put back: all are looked at once more when the last one is', async () => {
      const { deployed, first } = await deployAndKill({ crash: { afterMs: 0, exitCode: 7 } });
      const failed = deployed.outcome as Failed;
      expect(failed.status).to.equal('failed');
      expect(failed.error).to.include({ code: 'release_failed', exit: 9 });
      expect(failed.error.message).to.include(`1 of 2 changed machines could not be put back: ${first}`);
      expect(failed.error.evidence.join('\n')).to.match(/exit_code=7/);
      const warnings = deployed.events.filter((event) => event.type === 'log' && event.level === 'warning');
      expect(warnings.map((event) => 'message' in event && event.message).join('\n')).to.match(
        new RegExp(`^machine ${first} is not as before any more: machine ${first} .*exit code 7$`),
      );
    });

    it('has been put back when the platform starts it again, and it stays up', async () => {
      const { deployed, first } = await deployAndKill();
      expect(deployed.outcome.status).to.equal('rolled-back');
      const watched = messages(deployed.events).filter((message) =>
        message.startsWith(`machine ${first}: its checks pass: watching`),
      );
      expect(watched, 'once more').to.have.length(2);
      expect(fly.machines()[1]).to.include({ state: 'started', image: imageOf('old').deployed });
    });
  });

  const messages = (events: readonly ReleaseEvent[]): string[] =>
    events
      .slice(events.findIndex(({ type }) => type === 'failed'))
      .flatMap((event) => ('message' in event ? event.message : []));

  it('says what it does to each machine and what it waits for', async () => {
    const [id = ''] = await fly.seed(1);
    fly.fault({ match: NEW, effect: { oom: { afterMs: 50 } } });
    const { events } = await fly.deploy('new');
    const steps = [
      `machine ${id}: being put back`,
      `machine ${id}: waiting for the machine to start`,
      `machine ${id}: its checks pass: watching whether that lasts`,
      `machine ${id} is as before`,
    ];
    // What else it says depends on how long each takes.
    expect(messages(events).filter((text) => steps.includes(text))).to.deep.equal(steps);
  });

  it('says now and then that it still waits, and gives a machine up whose time is over', async () => {
    const [id = ''] = await fly.seed(1);
    fly.fault({ match: NEW, effect: { oom: { afterMs: 50 } } });
    fly.fault({ match: OLD, effect: { neverStarts: true } });
    const { outcome, events } = await fly.deploy('new', { config: { waitTimeoutMs: 70_000 } });
    expectNotBack(outcome as Failed, id);
    expect(messages(events).join('\n')).to.match(/still waiting \(\S+ of 1m15s\): waiting for the machine/);
  });

  for (const method of ['GET', 'POST'] as const)
    it(`gives a machine up when no ${method} is answered any more, and names it`, async () => {
      const [id = ''] = await fly.seed(1);
      fly.fault({ match: NEW, effect: { oom: { afterMs: 50 } } });
      const begun = fly.clock.now();
      const { outcome, events } = await fly.deploy('new', {
        config: { waitTimeoutMs: 10_000 },
        onEvent: ({ type }) => {
          if (type === 'failed') fly.unanswered = (request) => request.method === method;
        },
      });
      fly.unanswered = () => false;
      expectNotBack(outcome as Failed, id);
      const doing = method === 'GET' ? 'waiting for the Machines API to answer' : 'being put back';
      const { evidence } = (outcome as Failed).error;
      expect(evidence[0]).to.equal(`machine ${id}: machine ${id} timed out after 35.0s ${doing}`);
      if (method === 'POST') expect(evidence.join('\n')).to.match(/exit_code=137 oom_killed/);
      expect(messages(events).join('\n')).to.match(
        new RegExp(`^machine ${id}: still ${doing} \\(3\\d\\.\\ds of 35\\.0s\\)$`, 'm'),
      );
      const reads = method === 'GET' ? 60_000 : 0;
      expect(fly.clock.now() - begun, 'in its time').to.be.lessThan(35_000 + reads + 60_000);
    });
});
