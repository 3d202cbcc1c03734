import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { KeyedLock } from '../../../../src/emulator/registry/keyed-lock.js';

describe('A lock by key', () => {
  it('lets the work of one key come one after another, in order, also after a failure', async () => {
    const lock = new KeyedLock();
    const seen: string[] = [];
    const work = (name: string, ms: number) => async (): Promise<void> => {
      seen.push(`${name} begins`);
      await delay(ms);
      seen.push(`${name} ends`);
      if (name === 'a') throw new Error('a failed');
    };
    const results = await Promise.allSettled([
      lock.run('k', work('a', 15)),
      lock.run('k', work('b', 5)),
      lock.run('k', work('c', 0)),
    ]);
    expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'fulfilled', 'fulfilled']);
    expect(seen).to.deep.equal(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  it('does not let one key wait for another', async () => {
    const lock = new KeyedLock();
    let free: () => void = () => undefined;
    const held = lock.run('a', () => new Promise<void>((resolve) => (free = resolve)));
    expect(await lock.run('b', async () => 'done')).to.equal('done');
    free();
    await held;
  });
});
