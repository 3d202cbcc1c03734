import { expect } from 'chai';
import { parseCacheFrom, parseCacheTo } from '../../../../src/engine/build/cache.js';
import { thrownBy } from '../../../support/failure.js';

describe('a cache of a build, as it is written', () => {
  it('is a reference alone, or named as buildx has it', () => {
    const ref = 'registry.example.com/app:cache';
    const source = { type: 'registry', attributes: { ref } };
    expect(parseCacheFrom(ref)).to.deep.equal(source);
    expect(parseCacheFrom(`type=registry,ref=${ref}`)).to.deep.equal(source);
    expect(parseCacheFrom(`ref=${ref}`)).to.deep.equal(source);
    expect(parseCacheFrom('app').attributes).to.deep.equal({ ref: 'docker.io/library/app:latest' });
    expect(parseCacheTo('type=inline')).to.deep.equal({ type: 'inline', attributes: {} });
  });

  it('is pushed in media types that do not depend on the version of BuildKit, unless told', () => {
    const { attributes } = parseCacheTo('type=registry,ref=r.example.com/c:1,mode=max,image-manifest=false');
    expect(attributes).to.deep.equal({
      ...{ ref: 'r.example.com/c:1', mode: 'max' },
      ...{ 'image-manifest': 'false', 'oci-mediatypes': 'true' },
    });
  });

  it('is refused with what is wrong with it', () => {
    for (const [parse, text, why] of [
      [parseCacheFrom, 'type=inline', '--cache-from: an inline cache is read from its image'],
      [parseCacheFrom, 'type=gha', '--cache-from: type "gha" is not known; expected registry or inline'],
      [parseCacheFrom, 'type=registry', '--cache-from: it has no ref'],
      [parseCacheFrom, 'type=registry,ref=', '--cache-from: "ref=" has no value'],
      [parseCacheFrom, 'ref=a,mode=max', '--cache-from: "mode" is not known'],
      [
        parseCacheTo,
        'type=local,dest=x',
        '--cache-to: type "local" is not known; expected registry or inline',
      ],
      [parseCacheTo, 'ref=a,mode=most', '--cache-to: mode is "most"; expected min or max'],
      [parseCacheTo, 'type=inline,mode=max', '--cache-to: an inline cache takes nothing but type=inline'],
      [parseCacheTo, 'ref=a,b', '--cache-to: "b" has no value'],
      [parseCacheTo, 'ref=https://r.example.com/c', 'a reference has no scheme'],
    ] as const) {
      const error = thrownBy(() => parse(text));
      expect(error.message, text).to.contain(why);
      expect(error.exit, text).to.equal(2);
      expect(error.suggestions, text).to.not.be.empty;
    }
  });
});
