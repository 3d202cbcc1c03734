import { expect } from 'chai';
import fc from 'fast-check';
import { editDistance, nearest } from '../../../src/lib/nearest.js';

describe('The nearest word', () => {
  it('is the one that was mistyped, by a letter too few, too many, wrong or swapped', () => {
    const words = ['deploy', 'status', 'release', 'logs'];
    for (const typed of ['deply', 'deployy', 'depliy', 'delpoy'])
      expect(nearest(typed, words)).to.equal('deploy');
  });

  it('is none when nothing is near', () => {
    expect(nearest('xyzzy', ['deploy', 'status'])).to.equal(undefined);
    expect(nearest('x'.repeat(100_000), ['deploy'])).to.equal(undefined);
  });

  it('is measured by a distance: none to itself, the same both ways, at most the longer word', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, a)).to.equal(0);
        expect(editDistance(a, b)).to.equal(editDistance(b, a));
        expect(editDistance(a, b)).to.be.at.most(Math.max(a.length, b.length));
        if (a !== b) expect(editDistance(a, b)).to.be.at.least(1);
      }),
    );
  });
});
