import { expect } from 'chai';
import { parseContentRange, parseRange } from '../../../../src/emulator/registry/byte-range.js';

describe('The Range header of a download', () => {
  const cases: readonly [string | undefined, ReturnType<typeof parseRange>][] = [
    [undefined, 'whole'],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=10-', { start: 10, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['bytes=90-1000', { start: 90, end: 99 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=9-8', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=-', 'unsatisfiable'],
    ['bytes=a-b', 'unsatisfiable'],
    ['bytes=0-1,5-6', 'whole'],
    ['lines=0-1', 'whole'],
  ];
  for (const [header, expected] of cases) {
    it(`${header} of 100 bytes is ${JSON.stringify(expected)}`, () => {
      expect(parseRange(header, 100)).to.deep.equal(expected);
    });
  }

  it('can satisfy nothing of an empty blob', () => {
    expect(parseRange('bytes=0-', 0)).to.equal('unsatisfiable');
    expect(parseRange('bytes=-5', 0)).to.equal('unsatisfiable');
    expect(parseRange(undefined, 0)).to.equal('whole');
  });
});

describe('The Content-Range header of a chunk', () => {
  it('has both ends included', () => {
    expect(parseContentRange('0-1023')).to.deep.equal({ start: 0, end: 1023 });
  });

  for (const header of [
    '',
    '5',
    '5-',
    '-5',
    '9-8',
    'bytes 0-1/2',
    '0-1 ',
    '0x1-2',
    '0-99999999999999999999',
  ]) {
    it(`is not "${header}"`, () => {
      expect(parseContentRange(header)).to.equal(undefined);
    });
  }
});
