import { expect } from 'chai';
import type { Machine } from '../../../../src/targets/fly/machine.js';
import { unitOf } from '../../../../src/targets/fly/unit.js';
import { exitEvent, machineOf } from './fixtures.js';

describe('what is told of a machine', () => {
  const reasonOf = (change: Partial<Machine>) => unitOf(machineOf('a', change)).reason;
  const exits = (count: number) =>
    Array.from({ length: count }, (_, n) => exitEvent(`e${n}`, n, { exit_code: 3 }));

  it('is why it does not run: its exit code, and that it is a loop', () => {
    expect(reasonOf({ state: 'starting', events: exits(1) })).to.equal('exited with code 3');
    expect(reasonOf({ state: 'stopped', events: exits(1) })).to.equal('exited with code 3');
    for (const state of ['starting', 'started'])
      expect(reasonOf({ state, events: exits(3) }), state).to.match(/loop: exited 3 times, exit code 3$/);
    expect(reasonOf({ state: 'failed' })).to.equal('could not be started (state failed)');
  });

  it('is no reason while it runs, or where it was told to stop', () => {
    expect(reasonOf({ state: 'starting' })).to.equal(undefined);
    expect(reasonOf({ events: exits(1) }), 'mended by a restart').to.equal(undefined);
    const checks = [{ name: 'web', status: 'passing' }];
    expect(reasonOf({ events: exits(4), checks }), 'long ago').to.equal(undefined);
    const told = exitEvent('e', 1, { exit_code: 0, requested_stop: true });
    expect(reasonOf({ state: 'stopped', events: [told] })).to.equal(undefined);
  });
});
