import { expect } from 'chai';
import { APP, FlyEmulator, imageOf, WEB } from './fly-emulator.js';

describe('a rolling release on the Machines API', () => {
  let fly: FlyEmulator;

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  it('brings every machine to the new image, by digest, and gives its locks back', async () => {
    await fly.seed(3);
    const { outcome } = await fly.succeed('new');
    expect(outcome.release).to.deep.include({ version: 2, previous: 1 });
    for (const unit of outcome.units)
      expect(unit).to.deep.include({ state: 'started', health: 'passing', image: imageOf('new').deployed });
    for (const machine of fly.machines()) {
      expect(machine).to.deep.include({ state: 'started', image: imageOf('new').deployed, leased: false });
      expect(machine.metadata).to.deep.include({
        fly_platform_version: 'v2',
        fly_process_group: 'app',
        fly_release_id: outcome.release.id,
        fly_release_version: '2',
        deployer_digest: imageOf('new').digest,
        deployer_previous_digest: imageOf('old').digest,
        deployer_previous_image: imageOf('old').deployed,
      });
    }
  });

  it('changes one machine first and then a third of them at a time, in the order of their ids', async () => {
    const ids = await fly.seed(7);
    fly.fault({ match: { imageDigest: imageOf('new').digest }, effect: { checks: { passAfterMs: 3000 } } });
    const underWay = new Set<string>();
    const begun: string[] = [];
    let most = 0;
    await fly.succeed('new', {
      onEvent: (event) => {
        if (!('message' in event)) return;
        const id = /machine (\w+)/.exec(event.message)?.[1] as string;
        if (event.message.startsWith('updating')) {
          if (begun.length === 1) expect(underWay, 'while the first is not healthy').to.be.empty;
          begun.push(id);
          underWay.add(id);
        } else if (event.type === 'log') underWay.delete(id);
        most = Math.max(most, underWay.size);
      },
    });
    expect(begun).to.deep.equal(ids);
    expect(most).to.equal(2);
  });

  it('keeps what it does not own in a machine: its size, mounts, restart policy, other metadata, other services', async () => {
    const [id] = await fly.seed(1);
    const machine = (await fly.api('GET', `/machines/${id}`)) as { config: Record<string, object> };
    const mine = {
      guest: { cpu_kind: 'performance', cpus: 2, memory_mb: 4096 },
      mounts: [{ volume: 'vol_1', path: '/data' }],
      restart: { policy: 'always' },
      files: [{ guest_path: '/etc/motd', raw_value: 'aGk=' }],
      metadata: { ...machine.config['metadata'], team: 'blue' },
      services: [
        ...(machine.config['services'] as object[]),
        { internal_port: 5432, protocol: 'tcp', ports: [{ port: 5432 }] },
      ],
    };
    await fly.api('POST', `/machines/${id}`, { config: { ...machine.config, ...mine } });
    await fly.api('GET', `/machines/${id}/wait?state=started&timeout=10`);

    await fly.succeed('new');
    const after = (await fly.api('GET', `/machines/${id}`)) as { config: Record<string, unknown> };
    expect(after.config).to.deep.include({
      guest: mine.guest,
      mounts: mine.mounts,
      restart: mine.restart,
      files: mine.files,
    });
    expect(after.config['metadata']).to.include({ team: 'blue' });
    expect(after.config['services']).to.have.lengthOf(2);
    expect(after.config['services']).to.deep.include(mine.services.at(-1));
  });

  it('leaves machines alone that releases do not own: other process groups, standbys, foreign ones', async () => {
    await fly.seed(1);
    const image = imageOf('other').deployed;
    const foreign = [
      { metadata: { fly_platform_version: 'v2', fly_process_group: 'worker' } },
      { metadata: { fly_platform_version: 'v2', fly_process_group: 'app' }, standbys: ['abc'] },
      { metadata: {} },
    ];
    for (const config of foreign) await fly.api('POST', '/machines', { config: { image, ...config } });

    const { outcome } = await fly.succeed('new');
    expect(outcome.units).to.have.lengthOf(1);
    expect(fly.machines().filter((machine) => machine.image === image)).to.have.lengthOf(3);
  });

  it('lets machines sleep that the platform put to sleep, with the new image in them', async () => {
    const httpService = { ...WEB, autoStop: 'stop' as const, autoStart: true };
    const config = { httpService };
    const ids = await fly.seed(3, { config });
    await fly.api('POST', `/machines/${ids[0]}/stop`, {});
    await fly.api('GET', `/machines/${ids[0]}/wait?state=stopped&timeout=10`);

    await fly.succeed('new', { config });
    expect(fly.machines().map(({ state, image }) => ({ state, image }))).to.deep.equal([
      { state: 'stopped', image: imageOf('new').deployed },
      { state: 'started', image: imageOf('new').deployed },
      { state: 'started', image: imageOf('new').deployed },
    ]);
  });

  describe('when all machines are asleep', () => {
    const config = { httpService: { ...WEB, autoStop: 'stop' as const, autoStart: true } };

    async function seedAsleep(): Promise<void> {
      for (const id of await fly.seed(2, { config })) {
        await fly.api('POST', `/machines/${id}/stop`, {});
        await fly.api('GET', `/machines/${id}/wait?state=stopped&timeout=10`);
      }
    }

    it('wakes one to see that the release works; the platform may let it sleep again', async () => {
      await seedAsleep();
      const { events, outcome } = await fly.succeed('new', { config });
      expect(
        events.filter(({ type }) => type === 'log').map((event) => 'message' in event && event.message),
      ).to.deep.equal([
        `[1/2] machine ${fly.machines()[0]?.id}: woken, checks pass`,
        `[2/2] machine ${fly.machines()[1]?.id}: updated, asleep`,
      ]);
      expect(fly.machines().map(({ state }) => state)).to.deep.equal(['started', 'stopped']);
      expect(outcome.units.map(({ state, health }) => `${state} ${health}`)).to.deep.equal([
        'started passing',
        'stopped unknown',
      ]);
      expect(new Set(fly.machines().map(({ image }) => image))).to.deep.equal(
        new Set([imageOf('new').deployed]),
      );
    });

    it('puts that one back to sleep with the old image when it fails, the others untouched', async () => {
      await seedAsleep();
      fly.fault({
        match: { imageDigest: imageOf('new').digest },
        effect: { oom: { afterMs: 50 } },
      });
      const { outcome } = await fly.deploy('new', { config });
      expect(outcome.status).to.equal('rolled-back');
      for (const machine of fly.machines())
        expect(machine).to.deep.include({ state: 'stopped', image: imageOf('old').deployed });
    });
  });

  it('does not mind a machine that the platform puts to sleep after it was healthy, while others are changed', async () => {
    const config = { httpService: { ...WEB, autoStop: 'stop' as const, autoStart: true } };
    const ids = await fly.seed(3, { config });
    const slow = { checks: { passAfterMs: 3000 } };
    fly.fault({ match: { imageDigest: imageOf('new').digest, machine: ids[2] as string }, effect: slow });
    await fly.succeed('new', {
      config,
      onEvent: (event) => {
        // As autostop does: the platform asks for no lock.
        if (event.type === 'log' && event.message.startsWith('[2/3]')) fly.stopMachine(ids[0] as string);
      },
    });
    expect(fly.machines()[0]).to.deep.include({ state: 'stopped', image: imageOf('new').deployed });
  });

  describe('when the only machine was stopped by someone, and the platform stops none', () => {
    const config = { httpService: { ...WEB, autoStart: true } };
    const upOf = async () => {
      const { release } = await fly.target.status(APP, new AbortController().signal);
      return [release?.version, release?.units, release?.unitsUp];
    };

    beforeEach(async () => {
      const [id] = await fly.seed(1, { config });
      await fly.api('POST', `/machines/${id}/stop`, {});
      await fly.api('GET', `/machines/${id}/wait?state=stopped&timeout=10`);
    });

    it('is not live before the deploy, and is after it', async () => {
      expect(await upOf()).to.deep.equal([1, 1, 0]);
      const { outcome } = await fly.succeed('new', { config });
      expect(outcome.units.map(({ state }) => state)).to.deep.equal(['started']);
      expect(fly.machines().map(({ state }) => state)).to.deep.equal(['started']);
      expect(await upOf()).to.deep.equal([2, 1, 1]);
    });

    it('has something to do, though it has that image already', async () => {
      await fly.succeed('old', { config });
      expect(fly.machines().map(({ state }) => state)).to.deep.equal(['started']);
    });
  });

  it('has nothing to do where all sleep until they are asked for', async () => {
    const config = {
      httpService: { ...WEB, autoStop: 'stop' as const, autoStart: true, minMachinesRunning: 0 },
    };
    const [id] = await fly.seed(1, { config: { httpService: config.httpService } });
    await fly.succeed('new', { config });
    await fly.api('POST', `/machines/${id}/stop`, {});
    await fly.api('GET', `/machines/${id}/wait?state=stopped&timeout=10`);
    const { outcome } = await fly.deploy('new', { config });
    expect(outcome.status).to.equal('unchanged');
    expect(fly.machines()[0]?.state).to.equal('stopped');
  });

  it('starts a machine that had stopped by itself: a deploy is what mends it', async () => {
    const [id] = await fly.seed(2);
    await fly.api('POST', `/machines/${id}/stop`, {});
    await fly.api('GET', `/machines/${id}/wait?state=stopped&timeout=10`);
    await fly.succeed('new');
    expect(fly.machines().map(({ state }) => state)).to.deep.equal(['started', 'started']);
  });

  it('says what it waits for, and that it still does, when a machine is on its way from one state to another', async () => {
    const [id = ''] = await fly.seed(1);
    fly.slowStops(45_000);
    fly.stopMachine(id);
    const { events } = await fly.succeed('new');
    const told = events.flatMap((event) => ('message' in event ? `${event.type}: ${event.message}` : []));
    const waiting = 'waiting for it to be no longer stopping';
    expect(told[0]).to.equal(`progress: machine ${id}: ${waiting}`);
    expect(told[1]).to.match(new RegExp(`^log: machine ${id}: still ${waiting} \\(3\\d\\.\\ds of 5m30s\\)$`));
    expect(told).to.include(`progress: updating machine ${id}`);
  });

  it('watches a machine without checks for ten seconds before it believes in it', async () => {
    const config = { httpService: { ...WEB, checks: [] } };
    await fly.seed(1, { config });
    const before = fly.clock.now();
    const { outcome } = await fly.succeed('new', { config });
    expect(fly.clock.now() - before).to.be.greaterThan(10_000);
    expect(outcome.units[0]?.health).to.equal('none');
  });
});
