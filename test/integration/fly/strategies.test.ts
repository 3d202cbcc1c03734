import { expect } from 'chai';
import type { ReleaseOutcome } from '../../../src/targets/target.js';
import { APP, FlyEmulator, imageOf, WEB } from './fly-emulator.js';

type Failed = Extract<ReleaseOutcome, { error: unknown }>;

describe('the first release of an app', () => {
  let fly: FlyEmulator;

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  it('creates the app and one machine, and says so before', async () => {
    const state = await fly.target.inspect(APP, new AbortController().signal);
    const plan = fly.target.plan(fly.request('old'), state);
    expect(plan.summary).to.include('first release, 1 machine created');
    expect(plan.writes.map(({ method, summary }) => `${method} ${summary}`)).to.include.members([
      'POST create app shop in organization personal',
      'POST create a machine and start it',
    ]);
    const { outcome } = await fly.succeed('old');
    expect(outcome.release).to.deep.equal({ id: 'release-2', version: 1 });
    expect(fly.machines()).to.have.lengthOf(1);
  });

  it('creates as many as min_machines_running asks for, in the primary region, one after the other', async () => {
    const config = { httpService: { ...WEB, minMachinesRunning: 3 }, primaryRegion: 'fra' };
    const { outcome } = await fly.succeed('old', { config });
    expect(outcome.units.map(({ region }) => region)).to.deep.equal(['fra', 'fra', 'fra']);
    expect(fly.machines()[0]?.env).to.deep.equal({ PRIMARY_REGION: 'fra' });
  });

  it('gives an app that serves the web its public addresses, once', async () => {
    await fly.succeed('old');
    await fly.succeed('new');
    const { ips } = (await fly.api('GET', '/ip_assignments')) as { ips: unknown[] };
    expect(ips).to.have.lengthOf(2);
  });

  it('is not undone for an address that can not be had: it says how to get one later', async () => {
    fly.fault({
      match: { method: 'POST', pathPattern: `/v1/apps/${APP}/ip_assignments` },
      answer: { status: 422, body: { error: 'no address is left' } },
    });
    const { events } = await fly.succeed('old');
    const warnings = events.filter((event) => event.type === 'log' && event.level === 'warning');
    expect(warnings).to.have.lengthOf(2);
    expect(warnings[0]).to.have.property('message').that.includes('no address is left; later: fly ips');
  });

  it('destroys what it created when it fails, and exits as rolled back', async () => {
    fly.fault({ match: {}, effect: { oom: { afterMs: 10 } } });
    const { outcome } = await fly.deploy('old');
    expect(outcome.status).to.equal('rolled-back');
    expect((outcome as Failed).error).to.include({ code: 'release_rolled_back', exit: 8 });
    await fly.clock.sleep(1000);
    expect(fly.machines()).to.be.empty;
  });
});

describe('a release that does not wait', () => {
  let fly: FlyEmulator;

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  it('immediate: a machine that is refused undoes the others all the same', async () => {
    const ids = await fly.seed(3);
    fly.fault({
      match: { method: 'POST', pathPattern: `/v1/apps/${APP}/machines/${ids[1]}` },
      answer: { status: 422, body: { error: 'no room' } },
    });
    const { outcome } = await fly.deploy('new', { config: { strategy: 'immediate' } });
    expect(outcome.status).to.equal('rolled-back');
    expect((outcome as Failed).error.message).to.include('no room');
    for (const machine of fly.machines())
      expect(machine).to.deep.include({ image: imageOf('old').deployed, state: 'started' });
  });

  it('--detach: is back as soon as the updates are accepted', async () => {
    await fly.seed(2);
    fly.fault({ match: { imageDigest: imageOf('new').digest }, effect: { neverStarts: true } });
    const { outcome } = await fly.deploy('new', { detach: true });
    expect(outcome.status).to.equal('detached');
    expect(outcome.release.version).to.equal(2);
    for (const machine of fly.machines())
      expect(machine).to.deep.include({ image: imageOf('new').deployed, leased: false });
  });
});

describe('a release of what runs already', () => {
  let fly: FlyEmulator;

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  it('writes nothing, and says which release that is', async () => {
    await fly.succeed('old', { config: { env: { A: '1' } } });
    const writes: string[] = [];
    fly.trace = ({ method, url }) => method !== 'GET' && writes.push(url);
    const { outcome } = await fly.deploy('old', { config: { env: { A: '1' } } });
    expect(outcome).to.deep.include({
      status: 'unchanged',
      release: { id: 'release-1', version: 1 },
    });
    expect(outcome.units).to.have.lengthOf(1);
    expect(writes).to.be.empty;
  });

  it('is a release all the same when a variable has changed, or when a machine is not well', async () => {
    await fly.succeed('old', { config: { env: { A: '1' } } });
    const changed = await fly.succeed('old', { config: { env: { A: '2' } } });
    expect(changed.outcome.release.version).to.equal(2);
    expect(fly.machines()[0]?.env).to.deep.equal({ A: '2' });

    const [machine] = fly.machines();
    await fly.api('POST', `/machines/${machine?.id}/stop`, {});
    await fly.api('GET', `/machines/${machine?.id}/wait?state=stopped&timeout=10`);
    const mended = await fly.succeed('old', { config: { env: { A: '2' } } });
    expect(mended.outcome.release.version).to.equal(3);
    expect(fly.machines()[0]?.state).to.equal('started');
  });
});
