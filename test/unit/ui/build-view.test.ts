import { expect } from 'chai';
import { chooseBuildView } from '../../../src/ui/build-view.js';
import { collectedIo } from '../../support/collected-io.js';

/** What stderr holds of a build of one step, with a warning, and of the push after it. */
function toldWith(...argv: readonly string[]): string {
  const collected = collectedIo(argv, { CI: 'true' });
  const view = chooseBuildView(collected.io);
  const step = { number: 1, name: '[1/1] RUN make' };
  view.show({ type: 'warning', message: 'a part is left out' });
  view.show({ type: 'started', step });
  view.show({ type: 'completed', step, cached: false, durationMs: 1500 });
  view.showPush(5, 5, { id: 'abc', text: 'abc: pushed', state: 'pushed', current: 5, total: 5 });
  expect(collected.stdout()).to.equal('');
  return collected.stderr();
}

describe('The progress of a build in a log', () => {
  const LINES = 'warning: a part is left out\n#1 [1/1] RUN make\n#1 DONE 1.5s\nabc: pushed\n';

  it('is a line for each step and layer, and each warning; under --json as it is without', () => {
    expect(toldWith()).to.equal(LINES);
    expect(toldWith('--json')).to.equal(LINES);
    expect(toldWith('--json', '--verbose')).to.equal(LINES);
  });

  it('is nothing under --quiet', () => {
    expect(toldWith('--quiet')).to.equal('');
    expect(toldWith('--quiet', '--json')).to.equal('');
  });
});
