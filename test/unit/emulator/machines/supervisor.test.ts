import { expect } from 'chai';
import fc from 'fast-check';
import { ApiError } from '../../../../src/emulator/machines/api-error.js';
import { Faults, type Fault } from '../../../../src/emulator/machines/faults.js';
import type { MachineConfig } from '../../../../src/emulator/machines/machine-config.js';
import { isSettled, type MachineRecord } from '../../../../src/emulator/machines/machine.js';
import { Supervisor } from '../../../../src/emulator/machines/supervisor.js';
import { noRuntime } from '../../../../src/emulator/runtime/none.js';
import { settle, SteppedClock } from '../../../support/stepped-clock.js';

function record(config: Partial<MachineConfig> = {}): MachineRecord {
  return {
    id: 'aaaaaaaaaaaaaa',
    name: 'web',
    region: 'ams',
    state: 'created',
    instance_id: '01V1',
    private_ip: 'fdaa::1',
    created_at: '',
    updated_at: '',
    image_ref: { registry: 'localhost:5001', repository: 'shop', tag: 'v1' },
    config: { image: 'localhost:5001/shop:v1', ...config },
    cordoned: false,
    launch: true,
    events: [],
    versions: [],
  };
}

interface Play {
  readonly clock: SteppedClock;
  readonly machine: Supervisor;
  readonly log: string[];
  readonly faults: Faults;
}

function play(config: Partial<MachineConfig> = {}, ...faults: readonly Fault[]): Play {
  const clock = new SteppedClock();
  const log: string[] = [];
  const scripted = new Faults(faults);
  const machine = new Supervisor('shop', record(config), {
    runtime: noRuntime('test'),
    clock,
    faults: scripted,
    log: (line) => log.push(line),
    changed: () => undefined,
  });
  machine.begin();
  return { clock, machine, log, faults: scripted };
}

const crash = (exitCode: number, afterMs = 100, times?: number): Fault => ({
  match: {},
  effect: { crash: { afterMs, exitCode } },
  ...(times === undefined ? {} : { times }),
});
const eventsOf = ({ machine }: Play, type: string): MachineRecord['events'] =>
  machine.machine.events.filter((event) => event.type === type);

describe('a machine under its supervisor', () => {
  describe('that fails', () => {
    it('is started again after 1, 2, 4, .. seconds, at most 15, until its retries are used up', async () => {
      const test = play({ restart: { policy: 'on-failure', max_retries: 6 } }, crash(1, 0));
      await test.clock.advance(120_000);
      const starts = eventsOf(test, 'start').map(({ timestamp }) => timestamp);
      const pauses = starts.slice(1).map((later, at) => ((starts[at] ?? 0) - later) / 1000);
      expect(pauses.reverse()).to.deep.equal([1, 2, 4, 8, 15, 15]);
      expect(test.machine.machine.state).to.equal('stopped');
      expect(eventsOf(test, 'exit')[0]?.request).to.deep.include({ restart_count: 6 });
    });

    it('has 10 retries unless told', async () => {
      const test = play({}, crash(1, 0));
      await test.clock.advance(600_000);
      expect(eventsOf(test, 'exit')).to.have.length(11);
    });

    it('is not started again under policy no', async () => {
      const test = play({ restart: { policy: 'no' } }, crash(1));
      await test.clock.advance(60_000);
      expect(eventsOf(test, 'start')).to.have.length(1);
      expect(test.machine.machine.state).to.equal('stopped');
    });

    it('may be stopped, updated or destroyed while it waits for its next start', async () => {
      for (const order of ['stop', 'replace', 'destroy'] as const) {
        const test = play({ restart: { policy: 'always' } }, crash(1, 0, 1));
        await settle();
        await test.clock.advance(500);
        expect(test.machine.machine.state).to.equal('starting');
        if (order === 'stop') test.machine.stop();
        if (order === 'destroy') test.machine.destroy(true);
        if (order === 'replace') {
          const { config, image_ref } = test.machine.machine;
          test.machine.replace(config, image_ref, { launch: true, cordon: false });
        }
        await test.clock.advance(5000);
        expect(test.machine.machine.state).to.equal(
          { stop: 'stopped', replace: 'started', destroy: 'destroyed' }[order],
        );
      }
    });
  });

  it('that ends well rests, unless it is to run always', async () => {
    const once = play({}, crash(0));
    await once.clock.advance(60_000);
    expect([once.machine.machine.state, eventsOf(once, 'start').length]).to.deep.equal(['stopped', 1]);
    const always = play({ restart: { policy: 'always' } }, crash(0, 100, 3));
    await always.clock.advance(60_000);
    expect([always.machine.machine.state, eventsOf(always, 'start').length]).to.deep.equal(['started', 4]);
  });

  it('with auto_destroy is destroyed when it has ended', async () => {
    const test = play({ auto_destroy: true, restart: { policy: 'no' } }, crash(2));
    await test.clock.advance(1000);
    expect(test.machine.machine.state).to.equal('destroyed');
    expect(eventsOf(test, 'exit')[0]?.request).to.deep.nested.include({ 'exit_event.exit_code': 2 });
  });

  it('whose checks have a grace period is not asked before, then every second until it passes', async () => {
    const check = { type: 'http' as const, interval: '15s', grace_period: '5s' };
    const test = play(
      { services: [{ internal_port: 80, checks: [check] }] },
      { match: {}, effect: { checks: { passAfterMs: 7500, output: 'not yet' } } },
    );
    const statuses: string[] = [];
    for (let second = 0; second < 10; second += 1) {
      await test.clock.advance(1000);
      statuses.push(test.machine.checks()[0]?.status ?? '');
    }
    expect(statuses.join(' ')).to.equal(
      'warning warning warning warning critical critical critical passing passing passing',
    );
    expect(test.machine.isRoutable()).to.equal(true);
    test.machine.cordon(true);
    expect(test.machine.isRoutable()).to.equal(false);
  });

  it('comes to rest in a state that its last order explains, whatever orders come when', async () => {
    const orders = ['start', 'stop', 'restart', 'suspend', 'replace', 'rest', 'destroy', 'kill'] as const;
    const step = fc.record({
      order: fc.constantFrom(...orders),
      pause: fc.constantFrom(0, 0, 50, 150, 1200),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, crashes) => {
        const test = play({ restart: { policy: 'on-failure' } }, ...(crashes ? [crash(1, 100, 3)] : []));
        const { machine } = test;
        for (const { order, pause } of steps) {
          try {
            const { config, image_ref } = machine.machine;
            if (order === 'replace') machine.replace(config, image_ref, { launch: true, cordon: false });
            else if (order === 'rest') machine.replace(config, image_ref, { launch: false, cordon: false });
            else if (order === 'destroy' || order === 'kill') machine.destroy(order === 'kill');
            else machine[order]();
          } catch (error) {
            // What a state does not allow is refused; anything else is a bug.
            if (!(error instanceof ApiError) || error.status !== 412) throw error;
          }
          await test.clock.advance(pause);
        }
        await test.clock.advance(60_000);
        const { state, events } = machine.machine;
        expect(
          isSettled(state),
          `${state}: ${JSON.stringify(events.map(({ type, status }) => `${type} ${status}`))}`,
        ).to.equal(true);
        expect(state).to.not.equal('failed');
        const asked = events.find(({ source }) => source === 'user')?.type;
        const explained: Record<string, readonly string[]> = {
          launch: ['started'],
          start: ['started'],
          restart: ['started'],
          stop: ['stopped'],
          suspend: ['suspended', 'started', 'stopped'],
          update: ['started', 'stopped'],
          destroy: ['destroyed'],
        };
        expect(explained[asked ?? 'launch']).to.include(state);
        await machine.shutdown();
        expect(machine.machine.state).to.equal(state);
      }),
      { numRuns: 300 },
    );
  }).timeout(60_000);
});
