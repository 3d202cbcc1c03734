import { expect } from 'chai';
import { nearestTags, readTags } from '../../../src/image/nearest-tags.js';
import type { RegistryAnswer } from '../../../src/registry/answer.js';

function answer(status: number, body: string, more: Partial<RegistryAnswer> = {}): RegistryAnswer {
  return {
    method: 'GET',
    url: new URL('https://registry.test/v2/app/tags/list?n=1000'),
    accept: [],
    status,
    headers: {},
    mediaType: 'application/json',
    bytes: Buffer.from(body),
    errors: [],
    html: false,
    authorized: false,
    ...more,
  };
}

describe('The tag list', () => {
  it('holds tags, and nothing that is none', () => {
    const tags = ['v1', 'latest', 5, null, 'a b', '-x', 'x'.repeat(129), '\u001b[31m', 'v1.2_3-rc'];
    expect(readTags(answer(200, JSON.stringify({ name: 'app', tags })))).to.deep.equal({
      status: 'listed',
      tags: ['v1', 'latest', 'v1.2_3-rc'],
      more: false,
    });
  });

  it('is empty when it says null, as distribution does once all tags are gone', () => {
    for (const body of ['{"name":"app","tags":null}', '{"name":"app"}', '{"tags":[]}'])
      expect(readTags(answer(200, body))).to.deep.equal({ status: 'listed', tags: [], more: false });
  });

  it('says when it goes on (RFC 8288)', () => {
    const headers = { link: '</v2/app/tags/list?n=1&last=v1>; rel="next"' };
    expect(readTags(answer(200, '{"tags":["v1"]}', { headers }))).to.have.property('more', true);
  });

  it('is of no repository where the registry says so in its own words alone', () => {
    const errors = [{ code: 'NAME_UNKNOWN', message: 'repository name not known to registry' }];
    expect(readTags(answer(404, '', { errors }))).to.deep.equal({ status: 'no-repository' });
    expect(readTags(answer(404, '404 page not found'))).to.have.property('status', 'unknown');
  });

  it('is unknown in every other answer, with the reason', () => {
    for (const body of ['', 'x', '{"tags":5}', '{"tags":{"v1":1}}'])
      expect(readTags(answer(200, body))).to.deep.equal({
        status: 'unknown',
        why: 'GET https://registry.test/v2/app/tags/list -> 200, which is no tag list',
      });
    expect(readTags(answer(401, ''))).to.have.property('status', 'unknown');
    expect(readTags(answer(200, '{"tags":["v1"]}', { html: true }))).to.have.property('status', 'unknown');
  });
});

describe('The tags that come near', () => {
  it('are those with the fewest letters changed, the highest number first among equals', () => {
    const tags = ['main-9', 'main-41', 'latest', 'main-42', 'v1.0', 'main-100'];
    expect(nearestTags('main-43', tags, 3)).to.deep.equal(['main-42', 'main-41', 'main-9']);
    expect(nearestTags('mian-42', tags, 1)).to.deep.equal(['main-42']);
    expect(nearestTags('lastest', tags, 1)).to.deep.equal(['latest']);
  });

  it('are as many as there are, and none of none', () => {
    expect(nearestTags('v1', ['v2'], 5)).to.deep.equal(['v2']);
    expect(nearestTags('v1', [], 5)).to.deep.equal([]);
  });
});
