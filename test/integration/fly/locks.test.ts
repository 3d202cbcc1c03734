import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';
import type { DeployerError } from '../../../src/lib/errors.js';
import type { ReleaseOutcome } from '../../../src/targets/target.js';
import { APP, FlyEmulator, imageOf } from './fly-emulator.js';

type Failed = Extract<ReleaseOutcome, { error: unknown }>;

describe('the locks of a release', () => {
  let fly: FlyEmulator;

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  async function lock(id: string | undefined, ttl: number): Promise<string> {
    const body = { ttl, description: 'a migration by hand' };
    const { data } = (await fly.api('POST', `/machines/${id}/lease`, body)) as { data: { nonce: string } };
    return data.nonce;
  }

  it('waits for another holder, says who it is and what for, and goes on when the lock is free', async () => {
    const [, id] = await fly.seed(2);
    await lock(id, 10);
    const { events } = await fly.succeed('new');
    const waiting = events.find((event) => event.type === 'progress' && event.message.includes('locked'));
    expect(waiting)
      .to.have.property('message')
      .that.matches(
        new RegExp(
          `machine ${id} is locked by another deploy, waiting: held by emulator@localhost, "a migration by hand", until 2\\d{3}-`,
        ),
      );
    expect(fly.machines().every(({ leased }) => !leased)).to.equal(true);
  });

  it('gives up when the wait is over, with an exit code of its own, and has changed and kept nothing', async () => {
    const [first, second] = await fly.seed(2);
    const nonce = await lock(second, 600);
    const error = (await fly
      .deploy('new', { lockWaitMs: 5000 })
      .catch((thrown: unknown) => thrown)) as DeployerError;
    expect(error).to.include({ code: 'locked', exit: 10 });
    expect(error.message).to.include(`machine ${second} is locked by another deploy: held by`);
    expect(error.suggestions.join()).to.include('--lock-wait');
    for (const machine of fly.machines()) expect(machine.image).to.equal(imageOf('old').deployed);
    expect(fly.machines().map(({ id, leased }) => [id, leased])).to.deep.equal([
      [first, false],
      [second, true],
    ]);
    await fly.api('DELETE', `/machines/${second}/lease`, undefined, nonce);
  });

  it('makes two deploys of one app follow each other; the second plans again on what the first left', async () => {
    await fly.seed(2);
    const [a, b] = await Promise.all([fly.deploy('one'), fly.deploy('two')]);
    expect([a.outcome.status, b.outcome.status]).to.deep.equal(['succeeded', 'succeeded']);
    const versions = [a, b].map(({ outcome }) => outcome.release.version);
    expect([...versions].sort()).to.deep.equal([2, 3]);
    const [last, image] = (versions[0] as number) > (versions[1] as number) ? [a, 'one'] : [b, 'two'];
    expect(last.outcome.release).to.deep.include({ version: 3, previous: 2 });
    expect(last.events.some((event) => event.type === 'log' && event.message.includes('as v3'))).to.equal(
      true,
    );
    for (const machine of fly.machines())
      expect(machine).to.deep.include({ image: imageOf(image).deployed, leased: false });
  });

  it('keeps its locks through a release that takes longer than they last', async () => {
    await fly.seed(2);
    fly.fault({ match: { imageDigest: imageOf('new').digest }, effect: { checks: { passAfterMs: 20_000 } } });
    let unlocked = 0;
    await fly.succeed('new', {
      onEvent: (event) => {
        if (event.type === 'progress' && event.message.includes('checks pass'))
          unlocked += fly.machines().filter(({ leased }) => !leased).length;
      },
    });
    expect(unlocked).to.equal(0);
  });

  it('takes a lock again that ended by itself, while nobody else has it', async () => {
    await fly.seed(1);
    fly.fault({ match: { imageDigest: imageOf('new').digest }, effect: { checks: { passAfterMs: 12_000 } } });
    fly.fault({
      match: { method: 'POST', pathPattern: '/v1/**/lease', nth: 2 },
      answer: { status: 404, body: { status: 'error', message: 'lease not found' } },
    });
    const before = fly.machines()[0]?.id as string;
    let dropped = false;
    await fly.succeed('new', {
      onEvent: () => {
        if (!dropped) fly.dropLease(before);
        dropped = true;
      },
    });
    expect(dropped).to.equal(true);
  });

  it('stops and undoes the release when a lock is lost to someone else', async () => {
    const ids = await fly.seed(2);
    const slow = { checks: { passAfterMs: 40_000 } };
    fly.fault({ match: { imageDigest: imageOf('new').digest, machine: ids[1] as string }, effect: slow });
    let stolen: Promise<string> | undefined;
    const { outcome } = await fly.deploy('new', {
      onEvent: (event) => {
        if (stolen !== undefined || event.type !== 'progress' || !event.message.includes('0/1 checks pass'))
          return;
        fly.dropLease(ids[0] as string);
        stolen = lock(ids[0], 12);
      },
    });
    expect(await stolen).to.be.a('string');
    expect(outcome.status).to.equal('rolled-back');
    expect((outcome as Failed).error.message).to.include(`the lock of machine ${ids[0]} was lost`);
    for (const machine of fly.machines())
      expect(machine).to.deep.include({ image: imageOf('old').deployed, state: 'started' });
  });

  it('names the machine that it could not put back because another deploy holds it', async () => {
    const ids = await fly.seed(2);
    const slow = { checks: { passAfterMs: 40_000 } };
    fly.fault({ match: { imageDigest: imageOf('new').digest, machine: ids[1] as string }, effect: slow });
    let stolen: Promise<string> | undefined;
    const { outcome } = await fly.deploy('new', {
      onEvent: (event) => {
        if (stolen !== undefined || event.type !== 'progress' || !event.message.includes('0/1 checks pass'))
          return;
        fly.dropLease(ids[0] as string);
        stolen = lock(ids[0], 600);
      },
    });
    expect(outcome.status).to.equal('failed');
    const { error } = outcome as Failed;
    expect(error).to.include({ code: 'release_failed', exit: 9 });
    expect(error.evidence[0]).to.include(`machine ${ids[0]}: machine ${ids[0]} is locked by another deploy`);
    expect(fly.machines().map(({ image }) => image)).to.deep.equal(
      ['new', 'old'].map((name) => imageOf(name).deployed),
    );
  });

  it('does not undo what another deploy made of a machine that it took over', async () => {
    const ids = await fly.seed(2);
    const slow = { checks: { passAfterMs: 40_000 } };
    fly.fault({ match: { imageDigest: imageOf('new').digest, machine: ids[1] as string }, effect: slow });
    let taken: Promise<void> | undefined;
    const takeOver = async (): Promise<void> => {
      // Between the two the release may have taken its lost lock again.
      const nonce = await eventually(() => {
        fly.dropLease(ids[0] as string);
        return lock(ids[0], 600);
      });
      const metadata = { fly_platform_version: 'v2', fly_release_id: 'theirs', fly_release_version: '9' };
      const config = { image: imageOf('theirs').deployed, metadata };
      await fly.api('POST', `/machines/${ids[0]}`, { config }, nonce);
      await fly.api('DELETE', `/machines/${ids[0]}/lease`, undefined, nonce);
    };
    const { outcome } = await fly.deploy('new', {
      onEvent: (event) => {
        if (event.type === 'progress' && event.message.includes('0/1 checks pass')) taken ??= takeOver();
      },
    });
    await taken;
    expect(outcome.status).to.equal('failed');
    expect((outcome as Failed).error.evidence[0]).to.equal(
      `machine ${ids[0]}: it was changed by another deploy, to v9 meanwhile, and is left so`,
    );
    expect(fly.machines().map(({ image }) => image)).to.deep.equal(
      ['theirs', 'old'].map((name) => imageOf(name).deployed),
    );
  });

  it('does not call a release done while a machine of it runs something else, lock or no lock', async () => {
    const [id] = await fly.seed(1);
    fly.fault({ match: { imageDigest: imageOf('new').digest }, effect: { checks: { passAfterMs: 20_000 } } });
    let changed: Promise<unknown> | undefined;
    const change = (): Promise<unknown> => {
      fly.dropLease(id as string);
      return fly.api('POST', `/machines/${id}`, { config: { image: imageOf('theirs').deployed } });
    };
    const { outcome } = await fly.deploy('new', {
      onEvent: (event) => {
        if (event.type === 'progress' && event.message.includes('0/1 checks pass')) changed ??= change();
      },
    });
    await changed;
    expect(outcome.status).to.equal('failed');
    expect((outcome as Failed).error.message).to.include('was changed by someone else meanwhile');
    expect(fly.machines()[0]?.image).to.equal(imageOf('theirs').deployed);
  });

  it('knows its own lock again when the answer that granted it was lost', async () => {
    await fly.seed(1);
    fly.fault({
      match: { method: 'POST', pathPattern: '/v1/**/lease', nth: 1 },
      answer: { drop: 'after' },
    });
    const begun = fly.clock.now();
    const { events } = await fly.succeed('new', { lockWaitMs: 0 });
    expect(fly.clock.now() - begun).to.be.lessThan(13_000);
    expect(events.some((event) => 'message' in event && event.message.includes('locked'))).to.equal(false);
  });

  it('keeps two first deploys apart, also in an app that is there and has no machine to lock', async () => {
    await fly.succeed('old');
    for (const { id } of fly.machines()) await fly.api('DELETE', `/machines/${id}?force=true`);
    await eventually(() => expect(fly.machines()).to.be.empty);
    // Both have seen that there is no machine by then.
    fly.fault({
      match: { method: 'POST', pathPattern: '/v1/apps/shop/machines' },
      answer: { delayMs: 3000 },
      times: 2,
    });
    const ended = await Promise.all(
      ['one', 'two'].map((image) => fly.deploy(image).catch((error: unknown) => error as DeployerError)),
    );
    const lost = ended.find((end): end is DeployerError => 'code' in end);
    const won = ended.find((end) => 'outcome' in end);
    expect(won?.outcome.status).to.equal('succeeded');
    expect(lost).to.include({ code: 'locked', exit: 10 });
    expect(lost?.message).to.match(/another deploy of shop has created machine \w+ meanwhile/);
    expect(fly.machines()).to.have.lengthOf(1);
  });

  it('does not mind a machine of someone else by the name that its first would have', async () => {
    await fly.succeed('old');
    for (const { id } of fly.machines()) await fly.api('DELETE', `/machines/${id}?force=true`);
    await eventually(() => expect(fly.machines()).to.be.empty);
    await fly.api('POST', '/machines', { name: 'shop-1', config: { image: imageOf('theirs').deployed } });
    const { outcome } = await fly.succeed('new');
    expect(outcome.units).to.have.lengthOf(1);
    expect(fly.machines()).to.have.lengthOf(2);
  });

  it('is said once, and then now and then, when no lock can be refreshed because the API is gone', async () => {
    await fly.seed(3);
    let back: Promise<void> | undefined;
    const { outcome, events } = await fly.deploy('new', {
      config: { waitTimeoutMs: 60_000 },
      onEvent: (event) => {
        if (event.type !== 'log' || !event.message.startsWith('[1/3]')) return;
        fly.fault({ match: {}, answer: { status: 503, body: 'no upstream' } });
        back = fly.clock.sleep(150_000).then(() => fly.clearFaults());
      },
    });
    // Not in the midst of the next test.
    await back;
    const warnings = events.flatMap((event) =>
      event.type === 'log' && event.level === 'warning' ? [event.message] : [],
    );
    const ofLocks = warnings.filter((message) => message.includes('refreshed'));
    expect(ofLocks.length, ofLocks.join()).to.be.within(1, 6);
    expect(outcome)
      .to.have.nested.property('error.message')
      .that.matches(
        /^v2 failed: machine \w+ timed out after 1m.*: the Machines API has not answered for 1m.*: the Machines API failed \(503\): no upstream/,
      );
  });

  it('only warns when a lock can not be given back: it ends by itself', async () => {
    await fly.seed(1);
    fly.fault({
      match: { method: 'DELETE', pathPattern: `/v1/apps/${APP}/machines/*/lease` },
      answer: { status: 400, body: { error: 'no' } },
    });
    const { events } = await fly.succeed('new');
    const said = events.flatMap((event) => (event.type === 'log' ? [event.message] : []));
    expect(said.join('\n')).to.contain('ends by itself in 13 s');
  });
});
