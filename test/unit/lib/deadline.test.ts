import { expect } from 'chai';
import { withDeadline } from '../../../src/lib/deadline.js';
import { settle, SteppedClock } from '../../support/stepped-clock.js';

describe('Work with a deadline', () => {
  const late = (): Error => new Error('late');
  const endless = (end: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      const abort = (): void => reject(end.reason as Error);
      if (end.aborted) abort();
      end.addEventListener('abort', abort);
    });
  const outcome = (work: Promise<unknown>): Promise<unknown> =>
    work.catch((error: unknown) => (error as Error).message);

  it('is ended when its time is over, and not before', async () => {
    const clock = new SteppedClock();
    let ended: unknown;
    void outcome(withDeadline({ clock, ms: 1000, late }, endless)).then((how) => (ended = how));
    await clock.advance(999);
    expect(ended).to.equal(undefined);
    await clock.advance(1);
    expect(ended).to.equal('late');
  });

  it("is ended with the caller's own signal, were it aborted before", async () => {
    const caller = new AbortController();
    const deadline = { clock: new SteppedClock(), ms: 1000, late, signal: caller.signal };
    const work = outcome(withDeadline(deadline, endless));
    caller.abort(new Error('called off'));
    expect(await work).to.equal('called off');
    expect(await outcome(withDeadline(deadline, endless))).to.equal('called off');
  });

  it('that has ended leaves no timer', async () => {
    const slept: (AbortSignal | undefined)[] = [];
    const clock = new SteppedClock();
    const watched = {
      now: () => clock.now(),
      sleep: (ms: number, signal?: AbortSignal) => (slept.push(signal), clock.sleep(ms, signal)),
    };
    expect(await withDeadline({ clock: watched, ms: 1000, late }, () => Promise.resolve('done'))).to.equal(
      'done',
    );
    await settle();
    expect(slept.map((signal) => signal?.aborted)).to.deep.equal([true]);
  });
});
