import { expect } from 'chai';
import { rollback } from '../../../src/deploy/rollback.js';
import { APP, FlyEmulator, imageOf } from './fly-emulator.js';

describe('what an app remembers of its releases', () => {
  let fly: FlyEmulator;
  const { signal } = new AbortController();

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  it('lists them, newest first, with their images by digest, and what became of each', async () => {
    await fly.seed(2);
    await fly.succeed('second');
    fly.fault({ match: { imageDigest: imageOf('bad').digest }, effect: { oom: { afterMs: 10 } } });
    await fly.deploy('bad');
    const releases = await fly.target.releases(APP, signal);
    expect(
      releases.map(({ version, status, units, digest }) => ({ version, status, units, digest })),
    ).to.deep.equal([
      { version: 3, status: 'rolled-back', units: 0, digest: imageOf('bad').digest },
      { version: 2, status: 'running', units: 2, digest: imageOf('second').digest },
      { version: 1, status: 'past', units: 0, digest: imageOf('old').digest },
    ]);
    const times = releases.map(({ createdAt }) => Date.parse(createdAt ?? ''));
    expect(times).to.deep.equal([...times].sort((a, b) => b - a));
    expect(times[0]).to.be.closeTo(fly.clock.now(), 120_000);
  });

  it('tells by the status what runs, and how each machine is', async () => {
    await fly.seed(2);
    const status = await fly.target.status(APP, signal);
    expect(status).to.deep.include({ app: APP, target: 'fly' });
    expect(status.release).to.deep.include({ version: 1, status: 'running', digest: imageOf('old').digest });
    expect(status.units).to.have.lengthOf(2);
    expect(status.units[0]).to.deep.include({ state: 'started', health: 'passing', releaseVersion: 1 });
  });

  it('says that a deploy broke off half way, and the next deploy recovers from it', async () => {
    const ids = await fly.seed(3);
    // As a deployer that was killed after its first machine leaves it.
    const request = fly.request('half');
    const plan = fly.target.plan(request, await fly.target.inspect(APP, signal));
    const [first] = plan.changes;
    await fly.api('POST', `/machines/${ids[0]}`, { config: first?.config });
    await fly.api('GET', `/machines/${ids[0]}/wait?state=started&timeout=10`);

    const releases = await fly.target.releases(APP, signal);
    expect(releases.map(({ version, status, units }) => ({ version, status, units }))).to.deep.equal([
      { version: 2, status: 'partial', units: 1 },
      { version: 1, status: 'partial', units: 2 },
    ]);
    const { outcome } = await fly.succeed('next');
    expect(outcome.release).to.deep.include({ version: 3, previous: 1 });
    for (const machine of fly.machines()) {
      expect(machine.image).to.equal(imageOf('next').deployed);
      expect(machine.metadata).to.include({ deployer_previous_image: imageOf('old').deployed });
    }
  });

  it('puts a past release back as it was, with its environment, as a release of its own', async () => {
    await fly.seed(2, { config: { env: { MODE: 'classic' } } });
    await fly.succeed('new', { config: { env: { MODE: 'modern', EXTRA: '1' } } });
    const past = (await fly.target.releases(APP, signal)).find(({ version }) => version === 1);
    const state = await fly.target.inspect(APP, signal, past);
    const request = { ...fly.request('old', { config: { env: { MODE: 'modern', EXTRA: '1' } } }) };
    const outcome = await fly.target.release(fly.target.plan(request, state), {
      report: () => undefined,
      signal,
    });
    expect(outcome.status).to.equal('succeeded');
    expect(outcome.release).to.deep.include({ version: 3, previous: 2 });
    for (const machine of fly.machines())
      expect(machine).to.deep.include({ image: imageOf('old').deployed, env: { MODE: 'classic' } });
  });

  it('does not put back a release whose image is known by a tag alone: the tag may name another by now', async () => {
    await fly.seed(1);
    const [machine] = fly.machines();
    // As another program left it: by tag, and the platform keeps no digest with an old version.
    const metadata = { fly_platform_version: 'v2', fly_release_version: '2' };
    await fly.api('POST', `/machines/${machine?.id}`, {
      config: { image: 'registry.fly.io/shop:theirs', metadata },
    });
    await fly.api('GET', `/machines/${machine?.id}/wait?state=started&timeout=10`);
    await fly.succeed('new');
    const { config } = fly.request('unused');
    const request = { config, release: 'v2', releaseId: 'back', lockWaitMs: 0, dryRun: false };
    const ports = { target: fly.target, clock: fly.clock, sink: () => undefined, signal };
    const error: unknown = await rollback(request, ports).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'digest_not_found', exit: 3 });
    expect(error)
      .to.have.property('suggestions')
      .that.includes('if it is the one: deployer deploy --image registry.fly.io/shop:theirs');
    expect(fly.machines()[0]?.image).to.equal(imageOf('new').deployed);
  });

  describe('of their health', () => {
    const bad = { match: { imageDigest: imageOf('bad').digest }, effect: { oom: { afterMs: 10 } } };

    const goBack = async (release?: string) => {
      const { config } = fly.request('unused');
      const request = { config, release, releaseId: `back-${release}`, lockWaitMs: 0, dryRun: false };
      const ports = { target: fly.target, clock: fly.clock, sink: () => undefined, signal };
      const done = await rollback(request, ports);
      return 'result' in done ? done.result : expect.fail('it was planned only');
    };
    const listed = async () =>
      (await fly.target.releases(APP, signal)).map(({ version, status, wasHealthy }) => [
        version,
        status,
        wasHealthy,
      ]);

    it('goes back past a release that failed and was left, unless it is named', async () => {
      await fly.seed(2);
      fly.fault(bad);
      await fly.deploy('bad', { rollback: false });
      await fly.deploy('bad', { rollback: false, config: { env: { TRY: '2' } } });
      expect(await listed()).to.deep.equal([
        [3, 'partial', false],
        [2, 'failed', false],
        [1, 'partial', true],
      ]);
      const back = await goBack();
      expect(back.status).to.equal('succeeded');
      expect(new Set(fly.machines().map(({ image }) => image))).to.deep.equal(
        new Set([imageOf('old').deployed]),
      );
      expect(await listed()).to.deep.equal([
        [4, 'running', true],
        [3, 'failed', false],
        [2, 'failed', false],
        [1, 'past', true],
      ]);
      fly.clearFaults();
      expect((await goBack('v2')).status).to.equal('succeeded');
      expect(fly.machines()[0]?.image).to.equal(imageOf('bad').deployed);
    });

    it('does not take one for failed of which nothing could be noted', async () => {
      await fly.seed(1);
      const notes = { method: 'POST', pathPattern: `/v1/apps/${APP}/machines/*/metadata/*` };
      fly.fault({ match: notes, answer: { status: 500, body: { error: 'oops' } } });
      await fly.succeed('new');
      fly.clearFaults();
      await fly.succeed('newer');
      expect(await listed()).to.deep.equal([
        [3, 'running', true],
        [2, 'unproven', false],
        [1, 'past', true],
      ]);
    });

    it('names the last healthy one as the way back, also when another failed between', async () => {
      await fly.seed(1);
      fly.fault(bad);
      const failed = await fly.deploy('bad', { rollback: false });
      expect(failed.outcome).to.have.nested.property(
        'error.suggestions[0]',
        'deployer release rollback v1 -a shop',
      );
      const { outcome } = await fly.succeed('new');
      expect(outcome.release).to.deep.include({ version: 3, previous: 2, lastHealthy: 1 });
    });

    it('calls a release that nobody watched unproven, however well it looks, and goes back past it', async () => {
      await fly.seed(1);
      for (const image of ['new', 'newer']) {
        await fly.deploy(image, { detach: true });
        await fly.api('GET', `/machines/${fly.machines()[0]?.id}/wait?state=started&timeout=10`);
        await fly.clock.sleep(25_000);
      }
      expect(fly.machines()[0]).to.include({ state: 'started', image: imageOf('newer').deployed });
      expect(await listed()).to.deep.equal([
        [3, 'unproven', false],
        [2, 'unproven', false],
        [1, 'past', true],
      ]);
      expect((await goBack()).release).to.deep.include({ version: 4, previous: 3 });
      expect(fly.machines()[0]?.image).to.equal(imageOf('old').deployed);
    });

    it('does not take one for proven that falls over and is seen between two of its falls', async () => {
      await fly.seed(1);
      const crash = { crash: { afterMs: 3000, exitCode: 7 } };
      fly.fault({ match: { imageDigest: imageOf('new').digest }, effect: crash });
      await fly.deploy('new', { detach: true, config: { httpService: undefined } });
      await fly.api('GET', `/machines/${fly.machines()[0]?.id}/wait?state=started&timeout=10`);
      expect((await listed())[0]).to.deep.equal([2, 'unproven', false]);
      const { outcome } = await fly.succeed('newer');
      expect(outcome.release).to.deep.include({ version: 3, previous: 2, lastHealthy: 1 });
    });

    it('takes releases for healthy that an older version made, which noted nothing', async () => {
      await fly.seed(1);
      await fly.succeed('second');
      const [machine] = fly.machines();
      const { deployer_health, deployer_last_healthy, ...metadata } = machine?.metadata ?? {};
      expect([deployer_health, deployer_last_healthy]).to.deep.equal(['healthy', '1']);
      await fly.api('POST', `/machines/${machine?.id}`, { config: { image: machine?.image, metadata } });
      await fly.api('GET', `/machines/${machine?.id}/wait?state=started&timeout=10`);
      const { outcome } = await fly.succeed('third');
      expect(outcome.release).to.deep.include({ version: 3, lastHealthy: 2 });
    });
  });

  it('dates the present release by when it came, not by when another was undone: in list and status alike', async () => {
    await fly.seed(2);
    const came = (await fly.target.releases(APP, signal))[0]?.createdAt;
    await fly.clock.sleep(5000);
    fly.fault({ match: { imageDigest: imageOf('bad').digest }, effect: { oom: { afterMs: 10 } } });
    await fly.deploy('bad');
    const present = (await fly.target.releases(APP, signal)).find(({ units }) => units > 0);
    expect(present?.createdAt).to.equal(came);
    expect((await fly.target.status(APP, signal)).release).to.deep.equal(present);
  });

  it('finds no release of an app that is not there', async () => {
    const error: unknown = await fly.target.status(APP, signal).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'app_not_found', exit: 3 });
  });
});
