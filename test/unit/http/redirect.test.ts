import { expect } from 'chai';
import { redirectTarget } from '../../../src/http/redirect.js';
import { thrownBy } from '../../support/failure.js';

const FROM = new URL('https://registry.test/v2/app/blobs/x?token=secret');

describe('A redirect', () => {
  const follow = (
    location: string | undefined,
    status = 307,
    method = 'GET',
    from = FROM,
  ): string | undefined => redirectTarget(from, method, status, location)?.href;

  it('of a GET or HEAD is followed, by every status that is one', () => {
    for (const status of [301, 302, 303, 307, 308]) {
      expect(follow('https://cdn.test/x', status)).to.equal('https://cdn.test/x');
      expect(follow('/elsewhere?a=1', status, 'HEAD')).to.equal('https://registry.test/elsewhere?a=1');
    }
    expect(follow('//cdn.test/x')).to.equal('https://cdn.test/x');
  });

  it('is none without a location, by another status, or of what changes something', () => {
    expect(follow(undefined)).to.equal(undefined);
    for (const status of [200, 201, 202, 300, 304, 305, 404])
      expect(follow('/x', status)).to.equal(undefined);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect(follow('/x', 307, method)).to.equal(undefined);
  });

  it('may go from http to https, never back', () => {
    const plain = new URL('http://localhost:5000/v2/');
    expect(follow('https://cdn.test/', 307, 'GET', plain)).to.equal('https://cdn.test/');
    expect(follow('http://cdn.test/', 307, 'GET', plain)).to.equal('http://cdn.test/');
    const refused: Readonly<Record<string, RegExp>> = {
      'http://registry.test/': /leave https/,
      'file:///etc/passwd': /neither http nor https/,
      'javascript:alert(1)': /neither http nor https/,
      'https://': /no URL/,
      'https://[::1': /no URL/,
    };
    for (const [location, why] of Object.entries(refused)) {
      const error = thrownBy(() => follow(location));
      expect([error.code, error.exit], location).to.deep.equal(['redirect_refused', 12]);
      expect(error.message).to.match(why).and.contain('registry.test');
      expect(error.suggestions).not.to.deep.equal([]);
    }
  });

  it('that is refused shows where to, without its query and without control characters', () => {
    const { evidence } = thrownBy(() => follow('http://cdn.test/x\u001b[31m?X-Amz-Signature=secret'));
    expect(evidence).to.deep.equal(['Location: http://cdn.test/x[31m']);
  });
});
