import { expect } from 'chai';
import { PatternMatcher } from '../../../src/engine/context/pattern-matcher.js';
import { thrownBy } from '../../support/failure.js';

describe('the patterns of a .dockerignore', () => {
  it('match as docker has them: from the root, the last that matches decides', () => {
    const cases: [patterns: string[], matched: string[], others: string[]][] = [
      [['*.log'], ['a.log', '.log'], ['sub/a.log', 'a.logs', 'log']],
      [['**/*.log'], ['a.log', 'sub/a.log', 'a/b/c.log'], ['a.logs']],
      [['/docs/'], ['docs', 'docs/a/b'], ['sub/docs', 'docsy']],
      [['docs', '!docs/keep.md'], ['docs', 'docs/a'], ['docs/keep.md']],
      [['!docs/keep.md', 'docs'], ['docs/keep.md'], []],
      [['docs/**'], ['docs/a', 'docs/a/b'], ['docs']],
      [['**'], ['a', 'a/b', '.env'], []],
      [['**', '!**/keep'], ['a'], ['keep', 'a/b/keep']],
      [['a?b'], ['aXb', 'aüb'], ['ab', 'a/b', 'aXXb']],
      [
        ['[a-c]1', '[^x]2', '\\[3'],
        ['a1', 'c1', 'a2', '[3'],
        ['d1', 'x2', 'a3'],
      ],
      [
        ['c+d.txt', 'a(b)', 'x{1}$'],
        ['c+d.txt', 'a(b)', 'x{1}$'],
        ['ccd.txt', 'ab', 'x'],
      ],
      [['a/*/c'], ['a/b/c', 'a/b/c/d'], ['a/c', 'a/b/b/c']],
      [['./a/../b', ''], ['b'], ['a']],
      [['foo**bar'], ['foobar', 'foox/bar'], ['fooxbar']],
    ];
    for (const [patterns, matched, others] of cases) {
      const matcher = new PatternMatcher(patterns);
      for (const path of matched) expect(matcher.matches(path), `${patterns.join()} ${path}`).to.be.true;
      for (const path of others) expect(matcher.matches(path), `${patterns.join()} ${path}`).to.be.false;
    }
  });

  it('that make no sense are refused, and named', () => {
    for (const pattern of ['!', '[a', 'a\\', '[]', '[b-a]', '[a-]']) {
      expect(thrownBy(() => new PatternMatcher([pattern])).message, pattern).to.contain(`"${pattern}"`);
    }
  });

  it('tell which folders may be passed by whole', () => {
    const matcher = new PatternMatcher(['*', '!src/app', '!*.d/keep', '!a/**/z']);
    for (const folder of ['src', 'src/app', 'x.d', 'a', 'a/b'])
      expect(matcher.mayTakeBackIn(folder), folder).to.be.true;
    for (const folder of ['node_modules', 'src/other', 'x.e'])
      expect(matcher.mayTakeBackIn(folder), folder).to.be.false;
  });
});
