import { expect } from 'chai';
import {
  ACTION_RATE,
  GET_MACHINE_RATE,
  RateLimiter,
} from '../../../../src/emulator/machines/rate-limiter.js';
import { SteppedClock } from '../../../support/stepped-clock.js';

describe('the rate limiter', () => {
  const clock = new SteppedClock();
  const limiter = new RateLimiter(clock);
  const take = (key: string, times: number, rate = ACTION_RATE): number =>
    Array.from({ length: times }, () => limiter.take(key, rate)).filter(Boolean).length;

  it('lets a burst of 3 pass, then one a second', async () => {
    expect(take('start m1', 5)).to.equal(3);
    await clock.advance(999);
    expect(take('start m1', 2)).to.equal(0);
    await clock.advance(1);
    expect(take('start m1', 2)).to.equal(1);
    await clock.advance(60_000);
    expect(take('start m1', 5)).to.equal(3);
  });

  it('counts each action and each machine for itself', () => {
    expect(take('stop m1', 4)).to.equal(3);
    expect(take('stop m2', 4)).to.equal(3);
  });

  it('allows 10 at once and 5 a second for reading a machine', async () => {
    expect(take('get m1', 20, GET_MACHINE_RATE)).to.equal(10);
    await clock.advance(1000);
    expect(take('get m1', 20, GET_MACHINE_RATE)).to.equal(5);
  });

  it('forgets nobody who is still over the limit, however many there are', () => {
    expect(take('busy', 4)).to.equal(3);
    for (let n = 0; n < 10_000; n += 1) limiter.take(`other ${n}`, ACTION_RATE);
    expect(take('busy', 1)).to.equal(0);
  });
});
