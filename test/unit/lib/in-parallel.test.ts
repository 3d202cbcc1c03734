import { expect } from 'chai';
import { setImmediate as tick } from 'node:timers/promises';
import { inParallel } from '../../../src/lib/in-parallel.js';

const never = new AbortController().signal;

describe('work in parallel', () => {
  it('keeps to its width and to its order', async () => {
    const begun: number[] = [];
    let running = 0;
    let most = 0;
    await inParallel([1, 2, 3, 4, 5], 2, never, async (job) => {
      begun.push(job);
      most = Math.max(most, (running += 1));
      await tick();
      running -= 1;
    });
    expect(begun).to.deep.equal([1, 2, 3, 4, 5]);
    expect(most).to.equal(2);
  });

  it('aborts the others at the first failure, starts no more, and throws once all have ended', async () => {
    const ended: string[] = [];
    const failure = new Error('second');
    const thrown: unknown = await inParallel(['first', 'second', 'third'], 2, never, async (job, signal) => {
      if (job === 'second') throw failure;
      while (!signal.aborted) await tick();
      await tick();
      ended.push(job);
    }).catch((error: unknown) => error);
    expect(thrown).to.equal(failure);
    expect(ended).to.deep.equal(['first']);
  });

  it('throws the reason of an abort when it left work undone, were it only the last piece', async () => {
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const thrown: unknown = await inParallel([1, 2], 1, controller.signal, (job) => {
      if (job === 1) controller.abort(reason);
      return Promise.resolve();
    }).catch((error: unknown) => error);
    expect(thrown).to.equal(reason);
  });

  it('is done when the abort comes after the last piece', async () => {
    const controller = new AbortController();
    await inParallel([1], 1, controller.signal, () => Promise.resolve(controller.abort()));
  });
});
