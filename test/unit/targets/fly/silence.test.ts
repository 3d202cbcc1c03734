import { expect } from 'chai';
import type { DeployerError } from '../../../../src/lib/errors.js';
import { markRun } from '../../../../src/targets/fly/health.js';
import { machineFailure } from '../../../../src/targets/fly/machine-failure.js';
import type { Machine } from '../../../../src/targets/fly/machine.js';
import { adviceFor } from '../../../../src/targets/fly/advice.js';
import type { MachinesApi } from '../../../../src/targets/fly/machines-api.js';
import { explainSilence } from '../../../../src/targets/fly/silence.js';
import { machineOf } from './fixtures.js';

const api = { listenSockets: () => Promise.resolve([]) } as unknown as MachinesApi;

/** A machine whose check was refused, when time ran out. */
async function toldOf(state: string): Promise<DeployerError> {
  const machine: Machine = machineOf('1', {
    state,
    checks: [{ name: 'servicecheck-00-http-8080', status: 'critical', output: 'connection refused' }],
    events: [{ id: 'e1', type: 'update', status: 'replacing', source: 'user', timestamp: 1 }],
  });
  const advice = adviceFor('https://api.machines.dev');
  const why = 'timed out after 10.0s';
  const failure = {
    code: 'timed_out',
    app: 'shop',
    id: '1',
    why,
    mark: markRun(machine, machine),
    advice,
  } as const;
  const error = await explainSilence(machineFailure(failure, machine), machine, {
    api,
    exposedPorts: undefined,
  });
  return error as DeployerError;
}

describe('a machine whose checks were never answered', () => {
  it('is said to have nobody on its port when it is started, with how to mend that', async () => {
    const { message, evidence, suggestions } = await toldOf('started');
    expect(message).to.equal('machine 1 timed out after 10.0s: nothing answers on port 8080');
    expect(evidence).to.include('check servicecheck-00-http-8080: critical: connection refused');
    expect(suggestions).to.include('or let the app listen on 0.0.0.0:8080');
  });

  for (const state of ['replacing', 'starting', 'failed'])
    it(`is told of by its state and its last event when it is ${state}: no port would help`, async () => {
      const { message, evidence, suggestions } = await toldOf(state);
      expect(message).to.equal('machine 1 timed out after 10.0s');
      expect(evidence).to.deep.equal([`machine 1: state ${state}`, '00:00:00 update replacing by user']);
      expect(suggestions).to.deep.equal(['fly logs -a shop']);
    });
});
