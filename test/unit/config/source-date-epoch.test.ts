import { expect } from 'chai';
import { readBuildFlags } from '../../../src/config/build-settings.js';
import { DeployerError } from '../../../src/lib/errors.js';

const FLAGS = { 'no-cache': false, provenance: 'auto' };

describe('SOURCE_DATE_EPOCH', () => {
  const read = (flags: readonly string[], env: Record<string, string>, args: Record<string, string> = {}) => {
    const call = 'deployer build . --tag REF';
    const config = { args, sources: {} };
    const asked = { ...FLAGS, 'build-arg': flags };
    const { buildArgs, sourceDateEpoch } = readBuildFlags(asked, env, call, config);
    return [buildArgs['SOURCE_DATE_EPOCH'], sourceDateEpoch];
  };
  const name = (value: string) => ({ SOURCE_DATE_EPOCH: value });

  it('of the environment becomes a build argument; --build-arg goes before it, and it before the file', () => {
    expect(read([], {})).to.deep.equal([undefined, undefined]);
    expect(read([], name('1700000000'))).to.deep.equal(['1700000000', 1_700_000_000]);
    expect(read(['SOURCE_DATE_EPOCH=5'], name('7'), name('9'))).to.deep.equal(['5', 5]);
    expect(read(['SOURCE_DATE_EPOCH'], name('7'), name('9'))).to.deep.equal(['7', 7]);
    expect(read([], name('0'), name('9'))).to.deep.equal(['0', 0]);
    expect(read([], {}, name('9'))).to.deep.equal(['9', 9]);
  });

  it('that is empty is none', () => {
    expect(read([], name(''))).to.deep.equal([undefined, undefined]);
    expect(read([], name(''), name('9'))).to.deep.equal(['9', 9]);
    expect(read(['SOURCE_DATE_EPOCH='], name('7'))).to.deep.equal(['', undefined]);
  });

  it('is a whole number of seconds that the time of an image can hold; else it is named where it stands', () => {
    for (const wrong of [
      'soon',
      '-1',
      '1.5',
      ' 1',
      '1e9',
      '0x10',
      '2023-11-14',
      '253402300800',
      '9'.repeat(400),
    ])
      expect(() => read([], name(wrong)), wrong)
        .to.throw(DeployerError, /^SOURCE_DATE_EPOCH: ".+" is no whole number of seconds since 1970/)
        .with.property('exit', 2);
    expect(() => read(['SOURCE_DATE_EPOCH=soon'], name('1'))).to.throw(
      '--build-arg SOURCE_DATE_EPOCH: "soon"',
    );
    expect(() => read([], {}, name('soon'))).to.throw('SOURCE_DATE_EPOCH of [build] args: "soon"');
    expect(read([], name('253402300799'))[1]).to.equal(253_402_300_799);
  });
});
