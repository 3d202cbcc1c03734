import { expect } from 'chai';
import { SharedWork } from '../../../src/lib/shared-work.js';

describe('Work that several wait for', () => {
  const endless = (called: AbortSignal[]): SharedWork<string> =>
    new SharedWork((signal) => {
      called.push(signal);
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    });
  const outcome = (work: Promise<string>): Promise<unknown> => work.catch((error: unknown) => error);

  it('is done once, for all', async () => {
    let times = 0;
    const work = new SharedWork(() => Promise.resolve(`done ${(times += 1)}`));
    expect(await Promise.all([work.wait(), work.wait()])).to.deep.equal(['done 1', 'done 1']);
    expect([await work.wait(), work.over]).to.deep.equal(['done 1', false]);
  });

  it('goes on when one of them is called off, and ends when the last one is', async () => {
    const called: AbortSignal[] = [];
    const work = endless(called);
    const [first, second] = [new AbortController(), new AbortController()];
    const outcomes = [outcome(work.wait(first.signal)), outcome(work.wait(second.signal))];
    first.abort(new Error('first'));
    expect(await outcomes[0]).to.have.property('message', 'first');
    expect([called[0]?.aborted, work.over]).to.deep.equal([false, false]);
    second.abort(new Error('second'));
    expect(await outcomes[1]).to.have.property('message', 'second');
    expect([called[0]?.aborted, work.over]).to.deep.equal([true, true]);
  });

  it('that failed is over', async () => {
    const work = new SharedWork(() => Promise.reject(new Error('no')));
    expect(await outcome(work.wait())).to.have.property('message', 'no');
    expect(work.over).to.equal(true);
  });
});
