import { expect } from 'chai';
import { toItsEnd } from '../../../src/deploy/carry-out.js';
import type { TimedDeployEvent } from '../../../src/deploy/events.js';
import { Steps } from '../../../src/deploy/steps.js';
import { systemClock } from '../../../src/lib/clock.js';

describe('The events of a deploy that a defect ends', () => {
  it('end as all others do: the step failed, and done, with the code of a bug', async () => {
    const events: TimedDeployEvent[] = [];
    const steps = new Steps(systemClock, (event) => events.push(event));
    const defect = new TypeError('nothing has no property x');
    const work = toItsEnd(steps, () =>
      steps.run('verify', 'Verify configuration', () => Promise.reject(defect)),
    );
    const thrown: unknown = await work.catch((error: unknown) => error);
    expect(thrown, 'with its stack, for --verbose').to.equal(defect);
    expect(events.map(({ type }) => type)).to.deep.equal(['step.started', 'step.failed', 'done']);
    for (const event of events.slice(1)) {
      expect(event).to.have.nested.include({ 'error.code': 'unexpected', 'error.exitCode': 1 });
      expect(event).to.have.nested.property('error.message', 'unexpected error: nothing has no property x');
    }
  });
});
