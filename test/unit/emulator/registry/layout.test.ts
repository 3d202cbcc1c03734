import { expect } from 'chai';
import fc from 'fast-check';
import { fileNameOfTag, tagOfFileName } from '../../../../src/emulator/registry/layout.js';
import { isTag, type Tag } from '../../../../src/emulator/registry/names.js';

const anyTag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/) as fc.Arbitrary<Tag>;

describe("A tag's file name", () => {
  it('leads back to the tag', () => {
    fc.assert(fc.property(anyTag, (tag) => tagOfFileName(fileNameOfTag(tag)) === tag));
  });

  it('is another for another tag, also where capitals do not count', () => {
    const name = (tag: Tag): string => fileNameOfTag(tag).toLowerCase();
    fc.assert(fc.property(anyTag, anyTag, (a, b) => (a === b) === (name(a) === name(b))));
    expect(name('RC-1' as Tag)).not.to.equal(name('rc-1' as Tag));
  });

  it('is the tag itself when it has no capitals', () => {
    expect(fileNameOfTag('v1.2-rc_3' as Tag)).to.equal('v1.2-rc_3');
  });

  it('is short enough for a file system when the tag is as long as it can be', () => {
    const longest = 'Z'.repeat(128) as Tag;
    expect(isTag(longest)).to.equal(true);
    expect(fileNameOfTag(longest).length).to.be.lessThan(256);
  });

  it('is not taken for one when it is something else', () => {
    for (const stranger of ['', '.DS_Store', 'v1+', 'v1+2', '+1', 'a+zz', 'Upper', 'v1~']) {
      expect(tagOfFileName(stranger), stranger).to.equal(undefined);
    }
  });
});
