import { expect } from 'chai';
import type { MachineFault } from '../../../src/emulator/machines/faults.js';
import type { ReleaseOutcome } from '../../../src/targets/target.js';
import { FlyEmulator, imageOf, WEB } from './fly-emulator.js';

type Failed = Extract<ReleaseOutcome, { error: unknown }>;

describe('a release whose machine does not become healthy', () => {
  let fly: FlyEmulator;
  const NEW = { imageDigest: imageOf('new').digest };

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  async function deployFailing(effect: MachineFault['effect'], options = {}): Promise<Failed> {
    fly.fault({ match: NEW, effect });
    const { outcome } = await fly.deploy('new', options);
    expect(outcome).to.have.property('error');
    return outcome as Failed;
  }

  function expectOldEverywhere(machines: number): void {
    const there = fly.machines();
    expect(there).to.have.lengthOf(machines);
    for (const machine of there) {
      expect(machine).to.deep.include({ state: 'started', image: imageOf('old').deployed, leased: false });
      expect(machine.metadata).to.deep.include({
        fly_release_version: '1',
        deployer_release_id: 'release-1',
      });
    }
  }

  it('fails at once when the machine exits for good, with the exit code and the last events, and is undone', async () => {
    await fly.seed(3, { config: { env: {} } });
    for (const { id } of fly.machines()) {
      const machine = (await fly.api('GET', `/machines/${id}`)) as { config: object };
      await fly.api('POST', `/machines/${id}`, { config: { ...machine.config, restart: { policy: 'no' } } });
      await fly.api('GET', `/machines/${id}/wait?state=started&timeout=10`);
    }
    const begun = fly.clock.now();
    const { status, error, release } = await deployFailing({ crash: { afterMs: 50, exitCode: 3 } });
    expect(status).to.equal('rolled-back');
    expect(error).to.include({ code: 'release_rolled_back', exit: 8 });
    expect(error.message).to.match(/^v2 failed: machine \w+ exited with code 3; v1 is back$/);
    expect(error.evidence.join('\n')).to.match(/exit stopped by flyd exit_code=3/);
    expect(error.suggestions).to.include("read in the emulator's terminal what its machines said last");
    expect(release).to.deep.include({ version: 2, previous: 1 });
    expect(fly.clock.now() - begun, 'without waiting for the timeout').to.be.lessThan(30_000);
    expectOldEverywhere(3);
  });

  it('names, of several that fall over at once, each; of many the first', async () => {
    const ids = await fly.seed(8);
    const { error } = await deployFailing({ oom: { afterMs: 50 } }, { config: { strategy: 'immediate' } });
    expect(error.message).to.match(/^v2 failed: machine \w+ was killed: out of memory/);
    const named = error.evidence.flatMap((line) => /^machine (\w+) was killed/.exec(line)?.[1] ?? []);
    expect(named).to.have.lengthOf(5);
    expect(ids).to.include.members(named);
    expect(named, 'once').to.not.include(/machine (\w+)/.exec(error.message)?.[1]);
    expect(error.evidence).to.include('and 2 machines more');
    expectOldEverywhere(8);
  });

  it('fails when the platform keeps restarting the machine', async () => {
    await fly.seed(1);
    const { error } = await deployFailing({ crash: { afterMs: 50, exitCode: 1 } });
    expect(error.message).to.match(/restarts in a loop: exited \d+ times, exit code 1/);
    expectOldEverywhere(1);
  });

  it('forgives an exit that a restart mended', async () => {
    await fly.seed(1);
    fly.fault({ match: NEW, effect: { crash: { afterMs: 50, exitCode: 1 } }, times: 1 });
    expect((await fly.deploy('new')).outcome.status).to.equal('succeeded');
  });

  it('fails at once when the machine is killed for its memory', async () => {
    await fly.seed(2);
    const { error } = await deployFailing({ oom: { afterMs: 50 } });
    expect(error.message).to.match(/was killed: out of memory \(exit code 137\)/);
    expect(error.evidence.join('\n')).to.include('oom_killed');
    expectOldEverywhere(2);
  });

  it('times out when a check never passes, says what the check says, and is undone', async () => {
    await fly.seed(2);
    const { error } = await deployFailing(
      { checks: { output: 'connection refused' } },
      { config: { waitTimeoutMs: 8000 } },
    );
    expect(error).to.include({ code: 'release_rolled_back', exit: 8 });
    expect(error.message).to.include('timed out after 8.0s waiting for its checks to pass');
    expect(error.evidence).to.include('check servicecheck-00-http-8080: critical: connection refused');
    expectOldEverywhere(2);
  });

  it('says of a check that is answered with another status that its path is to be mended', async () => {
    await fly.seed(1);
    for (const [output, status, mend] of [
      ['404 Not Found', '404', /name a page that it has/],
      // In Fly's words, which hold what the app answered.
      ['HTTP GET http://172.19.0.2:8080/app: 302 Found Output: "moved"', '302', /not with a redirect/],
      ['GET /: 503 Service Unavailable', '503', /see what it logs/],
    ] as const) {
      const { error } = await deployFailing({ checks: { output } }, { config: { waitTimeoutMs: 4000 } });
      expect(error.message).to.include(`its check is answered with ${status}`);
      expect(error.suggestions[0]).to.match(mend);
    }
  });

  it('is undone also where health has to last longer than a machine may take to come up', async () => {
    await fly.seed(1);
    const { error, status } = await deployFailing(
      { checks: { output: 'connection refused' } },
      { config: { waitTimeoutMs: 8000, minHealthyMs: 12_000 } },
    );
    expect(error).to.include({ code: 'release_rolled_back', exit: 8 });
    expect(status).to.equal('rolled-back');
    expectOldEverywhere(1);
  });

  it('times out when the machine never starts', async () => {
    await fly.seed(1);
    const { error } = await deployFailing({ neverStarts: true }, { config: { waitTimeoutMs: 5000 } });
    expect(error.message).to.include('timed out after 5.0s waiting for it to start');
    expectOldEverywhere(1);
  });

  it('fails when a machine without checks falls over in its first ten seconds', async () => {
    const config = { httpService: { ...WEB, checks: [] } };
    await fly.seed(1, { config });
    const { error } = await deployFailing({ crash: { afterMs: 4000, exitCode: 0 } }, { config });
    expect(error.message).to.include('exited with code 0');
    expectOldEverywhere(1);
  });

  it('undoes the machines that were healthy already when a later one fails', async () => {
    const ids = await fly.seed(3);
    fly.fault({ match: { ...NEW, machine: ids[2] as string }, effect: { oom: { afterMs: 50 } } });
    const { outcome, events } = await fly.deploy('new');
    expect(outcome.status).to.equal('rolled-back');
    expectOldEverywhere(3);
    expect(events.find(({ type }) => type === 'failed')).to.include({ undoing: true });
    expect(events.at(-1)).to.deep.equal({ type: 'rolled-back', message: 'v1 is back' });
  });

  it('does not believe in a machine that dies after it was healthy, while others are being changed', async () => {
    const ids = await fly.seed(3);
    fly.fault({ match: { ...NEW, machine: ids[0] as string }, effect: { oom: { afterMs: 2000 } } });
    fly.fault({ match: { ...NEW, machine: ids[2] as string }, effect: { checks: { passAfterMs: 4000 } } });
    const { outcome } = await fly.deploy('new');
    expect(outcome.status).to.equal('rolled-back');
    expect((outcome as Failed).error.message).to.match(new RegExp(`machine ${ids[0]} was killed`));
    expectOldEverywhere(3);
  });

  it('never calls two releases the same: after an undone v2 comes v3', async () => {
    await fly.seed(2);
    await deployFailing({ oom: { afterMs: 50 } });
    const { outcome } = await fly.deploy('newer');
    expect(outcome.release).to.deep.include({ version: 3, previous: 1 });
  });

  describe('with --no-rollback', () => {
    it('leaves the machines as they are, names each with its state, and says how to mend it', async () => {
      const ids = await fly.seed(3);
      fly.fault({ match: { ...NEW, machine: ids[1] as string }, effect: { oom: { afterMs: 50 } } });
      const { outcome, events } = await fly.deploy('new', { rollback: false });
      expect(outcome.status).to.equal('failed');
      const { error } = outcome as Failed;
      expect(error).to.include({ code: 'release_failed', exit: 9 });
      expect(error.message).to.include('(--no-rollback)');
      expect(error.evidence[0]).to.match(
        new RegExp(`machine ${ids[0]}: started, health passing, v2, sha256:`),
      );
      expect(error.evidence[2]).to.match(
        new RegExp(`machine ${ids[2]}: started, health passing, v1, sha256:`),
      );
      expect(error.suggestions[0]).to.equal('deployer release rollback v1 -a shop');
      expect(events.find(({ type }) => type === 'failed')).to.include({ undoing: false });
      expect(fly.machines().map(({ image }) => image)).to.deep.equal(
        ['new', 'new', 'old'].map((name) => imageOf(name).deployed),
      );
      expect(fly.machines().every(({ leased }) => !leased)).to.equal(true);
    });

    it('says by its exit code that a machine which timed out still runs', async () => {
      await fly.seed(1);
      const { error, status } = await deployFailing(
        { checks: {} },
        { rollback: false, config: { waitTimeoutMs: 3000 } },
      );
      expect(status).to.equal('failed');
      expect(error).to.include({ code: 'timed_out', exit: 11 });
      expect(error.suggestions[0]).to.equal('deployer release rollback v1 -a shop');
      expect(error.suggestions, 'what mends the machine').to.have.length.greaterThan(2);
    });
  });

  it('says which machine could not be put back, and why, when the undo fails too', async () => {
    const ids = await fly.seed(2);
    fly.fault({ match: { ...NEW, machine: ids[1] as string }, effect: { oom: { afterMs: 50 } } });
    // The old image does not come up any more on the first machine.
    fly.fault({
      match: { imageDigest: imageOf('old').digest, machine: ids[0] as string },
      effect: { crash: { afterMs: 0, exitCode: 5 } },
    });
    const { outcome } = await fly.deploy('new');
    expect(outcome.status).to.equal('failed');
    const { error } = outcome as Failed;
    expect(error).to.include({ code: 'release_failed', exit: 9 });
    expect(error.message).to.include(`1 of 2 changed machines could not be put back: ${ids[0]}`);
    expect(error.evidence[0]).to.match(new RegExp(`^machine ${ids[0]}: .*exit code 5`));
    expect(fly.machines()[1]).to.deep.include({ image: imageOf('old').deployed, state: 'started' });
  });

  it('does not ask more of the old release than it gave: a machine that was unhealthy before may be so again', async () => {
    await fly.seed(1);
    fly.fault({ match: { imageDigest: imageOf('old').digest }, effect: { checks: {} } });
    const [id] = fly.machines().map((machine) => machine.id);
    await fly.api('POST', `/machines/${id}/restart`);
    await fly.api('GET', `/machines/${id}/wait?state=started&timeout=10`);
    const { status, error } = await deployFailing({ oom: { afterMs: 50 } });
    expect(status).to.equal('rolled-back');
    expect(error.message).to.match(/; v1 is back, which was not healthy before either$/);
    expect(error.suggestions.join('\n')).to.not.include('release rollback');
  });

  it('says that what is back was broken too, on how many machines, and which release was the last healthy one', async () => {
    await fly.seed(2);
    const impatient = { waitTimeoutMs: 4000, strategy: 'immediate' as const };
    await deployFailing({ checks: {} }, { rollback: false, config: impatient });
    const mute = { match: { imageDigest: imageOf('newer').digest }, effect: { checks: {} } };
    fly.fault(mute);
    const { outcome } = await fly.deploy('newer', { config: impatient });
    const { error } = outcome as Failed;
    expect(error).to.include({ code: 'release_rolled_back', exit: 8 });
    expect(error.message).to.match(/^v3 failed: .*; v2 is back, which was not healthy before either$/);
    expect(error.suggestions[0]).to.equal('deployer release rollback v1 -a shop');

    fly.clearFaults();
    const [id = ''] = (await fly.succeed('old')).outcome.units.map((unit) => unit.id).sort();
    fly.fault({ match: { imageDigest: imageOf('old').digest, machine: id }, effect: { checks: {} } });
    await fly.api('POST', `/machines/${id}/restart`);
    await fly.api('GET', `/machines/${id}/wait?state=started&timeout=10`);
    fly.fault(mute);
    const again = (await fly.deploy('newer', { config: impatient })).outcome as Failed;
    expect(again.error.message).to.match(
      /; v4 is back, where 1 of 2 machines was not healthy before either$/,
    );
  });
});
