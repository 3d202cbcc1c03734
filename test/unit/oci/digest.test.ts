import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { Digester, algorithmOf, digestOf, isDigest, shortDigest } from '../../../src/oci/digest.js';

const HELLO_256 = createHash('sha256').update('hello').digest('hex');
const HELLO_512 = createHash('sha512').update('hello').digest('hex');

describe('A digest', () => {
  it('is sha256 or sha512 with all its lower-case digits, and nothing else', () => {
    expect(isDigest(`sha256:${HELLO_256}`)).to.equal(true);
    expect(isDigest(`sha512:${HELLO_512}`)).to.equal(true);
    const wrong = [
      HELLO_256,
      `sha256:${HELLO_256.toUpperCase()}`,
      `SHA256:${HELLO_256}`,
      `sha256:${HELLO_256.slice(1)}`,
      `sha256:${HELLO_256}0`,
      `sha256:${HELLO_512}`,
      `sha512:${HELLO_256}`,
      `sha256:${HELLO_256}\n`,
      `sha256:../../etc/passwd`,
      `md5:${'0'.repeat(32)}`,
      `sha384:${'0'.repeat(96)}`,
      `sha256:${'f'.repeat(100_000)}`,
      '',
      undefined,
      null,
      64,
      [`sha256:${HELLO_256}`],
    ];
    expect(wrong.filter(isDigest)).to.deep.equal([]);
  });

  it('is of whole bytes or of a stream, in either algorithm', () => {
    expect(digestOf('hello')).to.equal(`sha256:${HELLO_256}`);
    expect(digestOf(Buffer.from('hello'), 'sha512')).to.equal(`sha512:${HELLO_512}`);
    const digester = new Digester('sha512');
    digester.update(Buffer.from('hel'));
    digester.update(Buffer.from('lo'));
    const digest = digester.digest();
    expect(digest).to.equal(`sha512:${HELLO_512}`);
    expect([algorithmOf(digest), algorithmOf(digestOf('x'))]).to.deep.equal(['sha512', 'sha256']);
  });

  it('is short for people', () => {
    expect(shortDigest(digestOf('hello'))).to.equal('sha256:2cf24dba…');
  });
});
