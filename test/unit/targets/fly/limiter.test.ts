import { expect } from 'chai';
import { RateLimiter } from '../../../../src/targets/fly/limiter.js';
import { SimulatedClock } from '../../../support/simulated-clock.js';

const RATE = { intervalMs: 1000, burst: 3 };
const START = Date.UTC(2026, 0, 1);

describe('the client-side rate limit', () => {
  it('lets a burst through at once, and then one request an interval', async () => {
    const clock = new SimulatedClock(START);
    const limiter = new RateLimiter(clock);
    const times: number[] = [];
    for (let request = 0; request < 6; request += 1) {
      await limiter.take('update m1', RATE);
      times.push(clock.now() - START);
    }
    expect(times).to.deep.equal([0, 0, 0, 1000, 2000, 3000]);
  });

  it('has the whole burst again after a pause as long as it takes to fill', async () => {
    const clock = new SimulatedClock(START);
    const limiter = new RateLimiter(clock);
    for (let request = 0; request < 3; request += 1) await limiter.take('a', RATE);
    await clock.sleep(3000);
    const before = clock.now();
    for (let request = 0; request < 3; request += 1) await limiter.take('a', RATE);
    expect(clock.now()).to.equal(before);
  });

  it('counts every key for itself', async () => {
    const clock = new SimulatedClock(START);
    const limiter = new RateLimiter(clock);
    for (const key of ['get m1', 'get m2', 'stop m1'])
      for (let request = 0; request < 3; request += 1) await limiter.take(key, RATE);
    expect(clock.now() - START).to.equal(0);
  });

  it('serves callers that wait at the same time one after the other', async () => {
    const started: number[] = [];
    const clock = { now: () => 0, sleep: (ms: number) => Promise.resolve(void started.push(ms)) };
    const limiter = new RateLimiter(clock);
    await Promise.all(Array.from({ length: 6 }, () => limiter.take('a', RATE)));
    expect(started).to.deep.equal([1000, 2000, 3000]);
  });

  it('ends a wait with the reason of its signal', async () => {
    const limiter = new RateLimiter(new SimulatedClock(START));
    const reason = new Error('interrupted');
    const thrown: unknown = await limiter
      .take('a', RATE, AbortSignal.abort(reason))
      .catch((error: unknown) => error);
    expect(thrown).to.equal(reason);
  });
});
