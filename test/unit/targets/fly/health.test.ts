import { expect } from 'chai';
import {
  checksSummary,
  checkLines,
  checksPass,
  eventLines,
  healthOf,
  isStarted,
  markRun,
  whyDead,
  whyStopped,
} from '../../../../src/targets/fly/health.js';
import type { Machine } from '../../../../src/targets/fly/machine.js';
import { adviceFor } from '../../../../src/targets/fly/advice.js';
import { machineFailure } from '../../../../src/targets/fly/machine-failure.js';
import { exitEvent, machineOf, withConfig } from './fixtures.js';

const T = Date.UTC(2026, 0, 1, 12);
const event = (id: string, type: string, at: number, status = type) => ({
  id,
  type,
  status,
  source: 'flyd',
  timestamp: at,
});

describe('what a machine tells after an update', () => {
  const before = machineOf('m1', {
    instance_id: 'OLD',
    events: [
      exitEvent('e1', T - 9000, { exit_code: 9, oom_killed: true }),
      event('e0', 'launch', T - 10_000),
    ],
  });
  const after = machineOf('m1', { instance_id: 'NEW', updated_at: new Date(T).toISOString() });
  const mark = markRun(before, after);
  const now = (change: Partial<Machine>): Machine => ({ ...after, ...change });

  it('is not held against the new version when it happened to the old one', () => {
    const events = [
      event('e5', 'start', T + 300, 'started'),
      event('e4', 'update', T + 200, 'replaced'),
      exitEvent('e3', T + 100, { exit_code: 137, requested_stop: true }),
      // Crashed by itself between the reading and the update.
      exitEvent('e2', T - 50, { exit_code: 1, restarting: false }),
      ...(before.events ?? []),
    ];
    expect(whyDead(now({ events }), mark)).to.equal(undefined);
    expect(isStarted(now({ events }), mark)).to.equal(true);
  });

  it('is not started while the old version still is', () => {
    expect(isStarted(now({ instance_id: 'OLD' }), mark)).to.equal(false);
    expect(whyDead(now({ instance_id: 'OLD' }), mark)).to.equal(undefined);
  });

  const update = event('u', 'update', T);
  const dead: [string, Partial<Machine>, RegExp][] = [
    [
      'an exit for good',
      { events: [exitEvent('x', T + 1, { exit_code: 3, restarting: false }), update] },
      /^exited with code 3$/,
    ],
    [
      'an exit that left it stopped',
      { state: 'stopped', events: [exitEvent('x', T + 1), update] },
      /^exited with code 1$/,
    ],
    [
      'an OOM kill, though it is restarted',
      { events: [exitEvent('x', T + 1, { exit_code: 137, oom_killed: true, restarting: true }), update] },
      /out of memory \(exit code 137\)/,
    ],
    [
      'the third restart',
      {
        events: [
          ...[3, 2, 1].map((n) => exitEvent(`x${n}`, T + n, { exit_code: 1, restarting: true })),
          update,
        ],
      },
      /loop: exited 3 times, exit code 1/,
    ],
    ['a launch that failed', { state: 'failed' }, /could not be started/],
    ['being destroyed', { state: 'destroying' }, /destroyed by someone else/],
    ['being changed', { instance_id: 'THIRD' }, /changed by someone else/],
    [
      'being stopped after its start',
      {
        state: 'stopped',
        events: [
          exitEvent('x', T + 2, { requested_stop: true }),
          event('s', 'start', T + 1, 'started'),
          update,
        ],
      },
      /stopped by someone else/,
    ],
  ];
  for (const [what, change, why] of dead)
    it(`ends the wait by ${what}`, () => {
      expect(whyDead(now(change), mark) ?? whyStopped(now(change), mark)).to.match(why);
    });

  it('does not end the wait by one exit that the platform answers with a restart', () => {
    const events = [exitEvent('x', T + 1, { exit_code: 1, restarting: true }), update];
    expect(whyDead(now({ state: 'starting', events }), mark)).to.equal(undefined);
  });

  it('reads exits in the older shape too', () => {
    const old = {
      ...event('x', 'exit', T + 1),
      request: { MonitorEvent: { exit_event: { exit_code: 4, restarting: false } } },
    };
    expect(whyDead(now({ events: [old, update] }), mark)).to.equal('exited with code 4');
  });

  describe('of its checks', () => {
    const config = { services: [{ internal_port: 8080, checks: [{ interval: '20s' }] }] };
    const check = (status: string, at: number) => ({
      name: 'servicecheck-00-http-8080',
      status,
      updated_at: new Date(at).toISOString(),
    });
    const withChecks = (...checks: ReturnType<typeof check>[]): Machine =>
      withConfig(now({ checks }), config);

    it('counts a passing of after the update', () => {
      expect(checksPass(withChecks(check('passing', T + 1)), mark, 0)).to.equal(true);
    });

    it('does not count a passing that the old version left behind, until the check must have run again', () => {
      const stale = withChecks(check('passing', T - 1));
      expect(checksPass(stale, mark, 39_000)).to.equal(false);
      expect(checksPass(stale, mark, 40_000)).to.equal(true);
    });

    it('waits for every check that is defined, and for none that is only there for bluegreen', () => {
      expect(checksPass(withChecks(), mark, 99_000)).to.equal(false);
      expect(checksPass(withChecks(check('passing', T + 1), check('warning', T + 1)), mark, 99_000)).to.equal(
        false,
      );
      const fake = { ...check('critical', T + 1), name: 'bg_deployments_compat_x' };
      expect(checksPass(withChecks(check('passing', T + 1), fake), mark, 0)).to.equal(true);
    });

    it('sums them up by the worst', () => {
      expect(healthOf(withChecks(check('passing', T), check('critical', T)))).to.equal('critical');
      expect(healthOf(withChecks())).to.equal('unknown');
      expect(healthOf(now({}))).to.equal('none');
    });
  });

  it('names what the platform says of a launch that failed, and no event of the version before', () => {
    const said = 'failed to pull localhost:5001/shop: no basic auth credentials';
    const failed = { ...event('f', 'launch', T + 5, 'failed'), request: { error: said } };
    const events = [failed, event('r', 'update', T, 'replaced'), ...(before.events ?? [])];
    const machine = now({ state: 'failed', events });
    expect(whyDead(machine, mark)).to.equal(`could not be started (state failed): ${said}`);
    expect(eventLines(machine, mark)).to.deep.equal([
      `12:00:00 launch failed by flyd: ${said}`,
      '12:00:00 update replaced by flyd',
    ]);
    const failure = {
      code: 'release_failed',
      app: 'shop',
      id: 'm1',
      why: 'could not be started',
      mark,
      advice: adviceFor('https://api.machines.dev', 'registry.fly.io'),
    } as const;
    const { suggestions } = machineFailure(failure, machine);
    expect(suggestions.at(-1)).to.equal('fly logs -a shop');
    expect(suggestions[0]).to.match(
      /^fly pulls from registry\.fly\.io and from public registries; .*deployer image copy \S+ registry\.fly\.io\/shop:copy$/,
    );
  });

  it('survives times that no calendar has', () => {
    const events = [event('x', 'start', 1e300), event('y', 'start', Number.NaN)];
    expect(eventLines(now({ events }), mark)).to.deep.equal([
      '--:--:-- start start by flyd',
      '--:--:-- start start by flyd',
    ]);
  });

  it('is printed without the control characters that a server may send', () => {
    const checks = [{ name: 'web', status: 'critical', output: 'bad\u001b[2Jgateway\nline' }];
    expect(checkLines(now({ checks }))).to.deep.equal(['check web: critical: bad[2Jgateway line']);
    const events = [exitEvent('x', T, { exit_code: 137, oom_killed: true })];
    expect(eventLines(now({ events }), mark)).to.deep.equal([
      '12:00:00 exit stopped by flyd exit_code=137 oom_killed',
    ]);
  });

  it('counts no checks where none are defined', () => {
    expect(checksSummary({ id: 'a', state: 'started' })).to.equal('no checks are defined');
  });
});
