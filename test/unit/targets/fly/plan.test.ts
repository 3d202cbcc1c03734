import { expect } from 'chai';
import fc from 'fast-check';
import { digestOf } from '../../../../src/oci/digest.js';
import { releasesOf } from '../../../../src/targets/fly/history.js';
import type { Machine } from '../../../../src/targets/fly/machine.js';
import { planRelease } from '../../../../src/targets/fly/plan.js';
import { METADATA } from '../../../../src/targets/fly/release-metadata.js';
import type { HttpService } from '../../../../src/config/deploy-config.js';
import type { ReleaseRequest } from '../../../../src/targets/target.js';
import { configOf, HTTP, machineOf, requestOf, stateOf, withConfig } from './fixtures.js';

describe('the plan of a release on Fly', () => {
  it('is the same for the same inputs, and is data', () => {
    const plan = planRelease(requestOf(), stateOf([machineOf('a'), machineOf('b')]));
    expect(planRelease(requestOf(), stateOf([machineOf('a'), machineOf('b')]))).to.deep.equal(plan);
    expect(JSON.parse(JSON.stringify(plan))).to.deep.equal(plan);
  });

  it('names every write, in order', () => {
    const { writes, summary } = planRelease(requestOf(), stateOf([machineOf('a'), machineOf('b')]));
    const M = 'https://api.machines.dev/v1/apps/shop/machines';
    expect(writes).to.deep.equal([
      { method: 'POST', url: `${M}/a/lease`, summary: 'lock machine a until the release is done' },
      { method: 'POST', url: `${M}/a`, summary: 'update machine a to v2' },
      { method: 'POST', url: `${M}/b/lease`, summary: 'lock machine b until the release is done' },
      { method: 'POST', url: `${M}/b`, summary: 'update machine b to v2' },
      {
        method: 'POST',
        url: `${M}/*/metadata/deployer_health`,
        summary: 'note on each machine that v2 is healthy, once it is',
      },
    ]);
    expect(summary).to.equal('rolling, 2 machines');
  });

  it('gives a first release of an app that serves the web its addresses, the app included', () => {
    const request = requestOf({ config: configOf({ httpService: HTTP }) });
    const plan = planRelease(request, stateOf([], { exists: false, addresses: 0, organization: 'acme' }));
    expect(plan.createsApp).to.equal(true);
    expect(plan.assigns).to.deep.equal(['v6', 'shared_v4']);
    expect(plan.writes.map(({ summary }) => summary)).to.deep.equal([
      'create app shop in organization acme',
      'give the app a public address (v6)',
      'give the app a public address (shared_v4)',
      'create a machine and start it',
      'note on each machine that v1 is healthy, once it is',
    ]);
    const withAddresses = planRelease(request, stateOf([], { addresses: 2 }));
    expect(withAddresses.assigns).to.deep.equal([]);
  });

  describe('of the release it makes', () => {
    it('counts on from the highest number that was ever used, an undone one included', () => {
      const undone = withConfig(machineOf('a', { version: 4 }), {
        metadata: { ...machineOf('a', { version: 4 }).config?.metadata, deployer_rolled_back: '7' },
      });
      const { release } = planRelease(requestOf(), stateOf([undone, machineOf('b', { version: 4 })]));
      expect(release).to.deep.equal({ id: 'r-2', version: 8, previous: 4, lastHealthy: 4 });
    });

    it('takes the older of two for the one before: a deploy broke off half way', () => {
      const machines = [machineOf('a', { version: 12 }), machineOf('b', { version: 11 })];
      const plan = planRelease(requestOf(), stateOf(machines));
      expect(plan.release).to.deep.equal({ id: 'r-2', version: 13, previous: 11, lastHealthy: 11 });
      for (const change of plan.changes)
        expect(change.config.metadata).to.include({ deployer_previous_version: '11' });
    });

    it('remembers the image before by digest, though the machine was started by tag', () => {
      const machine = withConfig(
        machineOf('a', {
          image_ref: { registry: 'registry.fly.io', repository: 'shop', digest: digestOf('v1') },
        }),
        { image: 'registry.fly.io/shop:v1' },
      );
      const [change] = planRelease(requestOf(), stateOf([machine])).changes;
      expect(change?.config.metadata).to.include({
        deployer_previous_image: `registry.fly.io/shop:v1@${digestOf('v1')}`,
        deployer_previous_digest: digestOf('v1'),
      });
    });
  });

  describe('of its pace', () => {
    const machines = (count: number) => Array.from({ length: count }, (_, n) => machineOf(`m${n}`));

    for (const [count, width] of [
      [1, 1],
      [3, 1],
      [5, 1],
      [7, 2],
      [10, 3],
    ] as const)
      it(`changes ${width} of ${count} machines at once`, () => {
        expect(planRelease(requestOf(), stateOf(machines(count))).width).to.equal(width);
      });

    it('changes all at once when it is immediate or detached, fifty at most; detached it watches none', () => {
      const immediate = requestOf({ config: configOf({ strategy: 'immediate' }) });
      expect(planRelease(immediate, stateOf(machines(4)))).to.deep.include({
        width: 4,
        verify: true,
        firstAlone: false,
      });
      expect(planRelease(requestOf({ detach: true }), stateOf(machines(60)))).to.deep.include({
        width: 50,
        verify: false,
        proof: 'nothing',
        summary: 'rolling, detached, 60 machines',
      });
    });
  });

  describe('of machines that sleep', () => {
    const withService = (change: Partial<HttpService>, detach = false) =>
      requestOf({ detach, config: configOf({ httpService: { ...HTTP, ...change } }) });
    const modesOf = (request: ReleaseRequest, ...states: string[]) =>
      planRelease(request, stateOf(states.map((state, n) => machineOf(`m${n}`, { state })))).changes.map(
        (change) => change.kind === 'update' && `${change.id} ${change.mode}`,
      );
    const modes = (...states: string[]) => modesOf(withService({}), ...states);

    it('changes those last, and leaves them asleep', () => {
      expect(modes('stopped', 'started', 'suspended')).to.deep.equal(['m1 run', 'm0 sleep', 'm2 sleep']);
    });

    it('wakes one when all of them sleep, to see whether the release works', () => {
      expect(modes('stopped', 'stopped')).to.deep.equal(['m0 wake', 'm1 sleep']);
    });

    it('wakes as many as min_machines_running asks for, whether it waits for them or not', () => {
      for (const detach of [false, true]) {
        const request = withService({ minMachinesRunning: 2 }, detach);
        expect(modesOf(request, 'stopped', 'stopped', 'started')).to.deep.equal([
          'm0 wake',
          'm2 run',
          'm1 sleep',
        ]);
      }
    });

    it('wakes one where the platform puts none to sleep: someone else has stopped them', () => {
      const request = withService({ autoStop: 'off' }, true);
      expect(modesOf(request, 'stopped', 'stopped')).to.deep.equal(['m0 wake', 'm1 sleep']);
      expect(modesOf(request, 'stopped', 'started'), 'one stopped by hand').to.deep.equal([
        'm1 run',
        'm0 sleep',
      ]);
    });

    it('says of a machine that it wakes that it is started', () => {
      const { writes } = planRelease(withService({}), stateOf([machineOf('a', { state: 'stopped' })]));
      expect(writes.map(({ summary }) => summary)).to.include('update and start machine a to v2');
    });

    it('starts those that the platform would not start by itself', () => {
      const manual = requestOf({
        config: configOf({ httpService: { ...HTTP, autoStop: 'off', autoStart: false } }),
      });
      const [change] = planRelease(manual, stateOf([machineOf('a', { state: 'stopped' })])).changes;
      expect(change).to.deep.include({ mode: 'run' });
    });
  });

  describe('of what every machine runs already', () => {
    const running = (health: string, change: Partial<Machine> = {}) =>
      stateOf(
        planRelease(requestOf(), stateOf([machineOf('a')])).changes.map(({ config }) => ({
          ...machineOf('a'),
          config: { ...config, metadata: { ...config.metadata, [METADATA.health]: health } },
          ...change,
        })),
      );

    it('changes nothing when it is well and was proven so', () => {
      const same = planRelease(requestOf({ releaseId: 'r-3' }), running('healthy'));
      expect(same).to.deep.include({ changes: [], writes: [] });
      expect(same.release).to.deep.include({ id: 'r-2', version: 2 });
      expect(same.summary).to.include('nothing to do: v2 already runs');
      const sick = { checks: [{ name: 'web', status: 'critical' }] };
      for (const change of [{ state: 'stopped' }, sick])
        expect(planRelease(requestOf(), running('healthy', change)).changes).to.have.lengthOf(1);
    });

    it('deploys it again where no deploy has proven it, unless that would prove nothing either', () => {
      for (const health of ['unwatched', 'pending', 'failed'])
        expect(planRelease(requestOf(), running(health)).changes).to.have.lengthOf(1);
      expect(planRelease(requestOf({ detach: true }), running('unwatched')).changes).to.deep.equal([]);
    });
  });

  describe('of the release to go back to', () => {
    const noted = (id: string, version: number, metadata: Record<string, string>) => {
      const machine = machineOf(id, { version });
      return withConfig(machine, { metadata: { ...machine.config?.metadata, ...metadata } });
    };
    const lastHealthy = (...machines: Machine[]) =>
      planRelease(requestOf(), stateOf(machines)).release.lastHealthy;

    it('takes the one before when that was noted to be healthy, or was made by who notes nothing', () => {
      expect(lastHealthy(noted('a', 4, { deployer_health: 'healthy' }))).to.equal(4);
      expect(lastHealthy(machineOf('a', { version: 4 }))).to.equal(4);
    });

    it('passes over one that failed, or whose deploy broke off, for the one that it remembers', () => {
      for (const health of ['failed', 'pending'])
        expect(lastHealthy(noted('a', 4, { deployer_health: health, deployer_last_healthy: '2' }))).to.equal(
          2,
        );
      expect(lastHealthy(noted('a', 4, { deployer_health: 'failed' }))).to.equal(undefined);
    });

    it('passes over one that no deploy has proven, however well it looks by now', () => {
      const checks = [{ name: 'web', status: 'passing' }];
      for (const health of ['unwatched', 'failed']) {
        const metadata = { deployer_health: health, deployer_last_healthy: '3' };
        expect(lastHealthy({ ...noted('a', 4, metadata), checks })).to.equal(3);
      }
    });
  });

  it('stands on whatever metadata its machines have', () => {
    const key = fc.oneof(fc.constantFrom(...Object.values(METADATA)), fc.string());
    const value = fc.oneof(
      fc.string(),
      fc.nat().map(String),
      fc.constantFrom('999999999', '-1', '1e9', 'v2'),
    );
    fc.assert(
      fc.property(fc.array(fc.dictionary(key, value), { maxLength: 4 }), (all) => {
        const machines = all.map((metadata, n) => withConfig(machineOf(`m${n}`), { metadata }));
        const { release } = planRelease(requestOf(), stateOf(machines));
        expect(release.version).to.be.within(1, 100_000_000);
        const versions = machines.map(({ config }) => ({ version: 'any', user_config: config }));
        releasesOf(machines.map((machine) => ({ machine, versions })));
      }),
    );
  });

  it('refuses to guess the configuration of a machine whose host is down', () => {
    const { config: _config, ...unreachable } = machineOf('a', { host_status: 'unreachable' });
    expect(() => planRelease(requestOf(), stateOf([unreachable])))
      .to.throw("the configuration of machine a can't be read: its host is unreachable")
      .with.property('code', 'api_unavailable');
  });
});
