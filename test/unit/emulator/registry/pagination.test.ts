import { expect } from 'chai';
import fc from 'fast-check';
import { nextLink, pageOf, parsePageRequest } from '../../../../src/emulator/registry/pagination.js';
import { ProtocolError } from '../../../../src/emulator/registry/protocol-error.js';

describe('Pages of a list', () => {
  it('together are the list, each entry once, whatever the page size', () => {
    const sortedTags = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,4}$/)).map((tags) => tags.sort());
    fc.assert(
      fc.property(sortedTags, fc.integer({ min: 1, max: 7 }), (tags, n) => {
        const seen: string[] = [];
        let last: string | undefined;
        do {
          const page = pageOf(tags, { n, ...(last === undefined ? {} : { last }) });
          seen.push(...page.entries);
          last = page.next;
        } while (last !== undefined);
        expect(seen).to.deep.equal(tags);
      }),
    );
  });

  it('go on behind an entry that is no longer there', () => {
    expect(pageOf(['a', 'c'], { last: 'b' })).to.deep.equal({ entries: ['c'] });
  });

  it('end where the list ends, without a next one', () => {
    expect(pageOf(['a', 'b'], { n: 2 })).to.deep.equal({ entries: ['a', 'b'] });
  });

  it('of no entries have no next one', () => {
    expect(pageOf(['a', 'b'], { n: 0 })).to.deep.equal({ entries: [] });
  });

  it('are asked for with n and last', () => {
    expect(parsePageRequest(new URLSearchParams('n=3&last=x'))).to.deep.equal({ n: 3, last: 'x' });
    expect(parsePageRequest(new URLSearchParams(''))).to.deep.equal({});
  });

  for (const n of ['-1', 'x', '1.5', '', '99999999999']) {
    it(`can't be asked for with n=${n}`, () => {
      expect(() => parsePageRequest(new URLSearchParams({ n }))).to.throw(ProtocolError, 'number of results');
    });
  }

  it('link to the next one with the parameters encoded', () => {
    expect(nextLink('/v2/a/tags/list', { n: '2', last: 'x&y' })).to.equal(
      '</v2/a/tags/list?n=2&last=x%26y>; rel="next"',
    );
  });
});
