import { BinaryReader } from '@bufbuild/protobuf/wire';
import { expect } from 'chai';
import { StatEncoder } from '../../../src/engine/session/fsutil-messages.js';

const SECOND = 1_000_000_000n;
const day = (date: string): bigint => BigInt(Date.parse(date) / 1000) * SECOND;

/** As the engine reads it: the sixth field of the stat, a signed number of 64 bits. */
function timeIn(packet: Uint8Array): bigint {
  const outer = new BinaryReader(packet);
  outer.tag();
  const stat = new BinaryReader(outer.bytes());
  while (stat.pos < stat.len) {
    const [field, type] = stat.tag();
    if (field === 6) return BigInt(stat.int64());
    stat.skip(type);
  }
  throw new Error('there is no time in it');
}

describe('a file as the engine is told of it', () => {
  it('has its time to the nanosecond, and of years that 64 bits can not hold the nearest', () => {
    const told = (modified: bigint): bigint =>
      timeIn(new StatEncoder().encode({ path: 'a', mode: 0o644, size: 0, modified }));
    for (const time of [day('2024-02-29') + 123_456_789n, -1n, day('1678-01-01'), day('2262-01-01')])
      expect(told(time)).to.equal(time);
    expect(told(day('2300-01-01'))).to.equal(2n ** 63n - 1n);
    expect(told(day('1600-01-01'))).to.equal(-(2n ** 63n));
  });
});
