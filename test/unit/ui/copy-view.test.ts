import { expect } from 'chai';
import type { CopyProgress } from '../../../src/image/copy-tally.js';
import { chooseCopyView } from '../../../src/ui/copy-view.js';
import { collectedIo } from '../../support/collected-io.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

const MB = 1_000_000;

/** What a log holds of a copy that sends 10 MB a second for a minute. */
function logOf(argv: readonly string[]): string[] {
  const collected = collectedIo(argv, { CI: 'true' });
  const clock = new SimulatedClock();
  const view = chooseCopyView(collected.io, clock);
  for (let seconds = 0; seconds <= 60; seconds += 0.5) {
    const sent = seconds * 10 * MB;
    const progress: CopyProgress = {
      ...{ bytesTotal: 1000 * MB, bytesDone: 200 * MB + sent, bytesSent: sent },
      ...{ blobsTotal: 9, blobsSent: 0, blobsMounted: 2, blobsSkipped: 1 },
    };
    view.show(progress);
    clock.advance(500);
  }
  expect(collected.stdout()).to.equal('');
  return collected.stderr().split('\n').slice(0, -1);
}

describe('The progress of a copy in a log', () => {
  it('is a line now and then: bytes, rate, and what was spared', () => {
    const lines = logOf([]);
    expect(lines).to.have.length(6);
    expect(lines[0]).to.equal('300 MB of 1.0 GB (30%), 10.0 MB/s; 2 mounted, 1 already there');
    expect(lines.at(-1)).to.equal('800 MB of 1.0 GB (80%), 10.0 MB/s; 2 mounted, 1 already there');
  });

  it('is nothing under --quiet, and under --json as it is without', () => {
    expect(logOf(['--json'])).to.deep.equal(logOf([]));
    expect(logOf(['--quiet'])).to.deep.equal([]);
  });
});
