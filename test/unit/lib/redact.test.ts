import { expect } from 'chai';
import fc from 'fast-check';
import { shownInput, Redactor, withoutUserinfo } from '../../../src/lib/redact.js';

describe('Redaction', () => {
  it('takes out the values of the token variables, whole, in parts, and as they stand in a URL', () => {
    const redactor = Redactor.fromEnvironment({
      DEPLOYER_API_TOKEN: 'plain+token/value',
      FLY_API_TOKEN: 'FlyV1 first-part,second-part',
      HOME: '/home/somebody',
    });
    expect(redactor.redact('a plain+token/value b')).to.equal('a *** b');
    expect(redactor.redact('?t=plain%2Btoken%2Fvalue')).to.equal('?t=***');
    expect(redactor.redact('FlyV1 first-part,second-part')).to.equal('***');
    expect(redactor.redact('only second-part here')).to.equal('only *** here');
    expect(redactor.redact('/home/somebody')).to.equal('/home/somebody');
  });

  it('takes out what it was told later, and leaves words alone that a short secret would garble', () => {
    const redactor = new Redactor();
    redactor.add('from-a-file\n');
    redactor.add('a');
    expect(redactor.redact('a from-a-file banana')).to.equal('a *** banana');
  });

  const shapes: readonly [text: string, redacted: string][] = [
    ['https://user:p@ss@host/x and ssh://git@host', 'https://user:***@host/x and ssh://git@host'],
    ['GET https://host/v2/?token=abc&n=1', 'GET https://host/v2/?token=***&n=1'],
    [
      '/blob?X-Amz-Signature=0f0f&X-Amz-Credential=AKIA%2F1#top',
      '/blob?X-Amz-Signature=***&X-Amz-Credential=***#top',
    ],
    ['authorization: Bearer abc', 'authorization: ***'],
    ['{"Authorization":"Basic eDp5"}', '{"Authorization":"***"}'],
    ['sent Bearer 0123456789abcdef0123', 'sent Bearer ***'],
    ['sent Basic dXNlcjpodW50ZXIy', 'sent Basic ***'],
    ['token fm2_lJPECAAAAAAAAAAA refused', 'token *** refused'],
    ['eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl!', '***!'],
  ];
  for (const [text, redacted] of shapes) {
    it(`takes the credential out of ${text}`, () => expect(new Redactor().redact(text)).to.equal(redacted));
  }

  it('leaves alone what only speaks of credentials', () => {
    for (const text of [
      'Bearer authentication needs a token: Bearer realm="https://auth.test/token",service="registry.test"',
      'Basic authentication was refused',
      'localhost:5000/team/app:1@sha256:9984b97e',
      'https://host:8443/path',
    ]) {
      expect(new Redactor().redact(text)).to.equal(text);
    }
  });

  it('goes through a whole document and keeps its shape', () => {
    const redactor = new Redactor();
    redactor.add('the-secret');
    const document = { a: ['the-secret', 1, null], b: { c: 'x the-secret', d: true } };
    expect(redactor.redactDocument(document)).to.deep.equal({
      a: ['***', 1, null],
      b: { c: 'x ***', d: true },
    });
  });

  it('leaves no known secret in any text', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8 }), fc.string(), fc.string(), (secret, before, after) => {
        fc.pre(secret.trim().length >= 8);
        const redactor = new Redactor();
        redactor.add(secret);
        expect(redactor.redact(before + secret + after)).not.to.include(secret.trim());
      }),
    );
  });

  it('masks credentials in what a user wrote before it cuts it: half of them are no known secret', () => {
    const secret = 's3cret'.repeat(20);
    for (const text of [
      `robot:${secret}@registry.test`,
      `robot:${secret}@registry.test/app`,
      `oci-archive:https://robot:${secret}@registry.test/app`,
    ]) {
      expect(shownInput(text, 60), text).to.contain('***@registry.test').and.not.contain('s3cret');
    }
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(shownInput(`oci:layout@${digest}`, 200)).to.equal(`oci:layout@${digest}`);
  });

  it('takes the tag before a digest for no credentials, also where the digest is cut short', () => {
    for (const digest of ['sha256:abc', 'sha256:', 'sha512:12', `sha256:${'a'.repeat(64)}`, 'sha256:ABC_']) {
      const reference = `localhost:5001/hello:v1@${digest}`;
      expect(withoutUserinfo(reference)).to.equal(reference);
      expect(shownInput(reference, 200)).to.equal(reference);
      const redactor = Redactor.fromEnvironment({}, ['deploy', '--image', reference]);
      expect(redactor.redact(`"${reference}" is wrong`)).to.equal(`"${reference}" is wrong`);
    }
  });

  it('masks credentials that stand before a reference with a digest, or before a host that is called like one', () => {
    for (const [text, masked] of [
      ['robot:s3cret@host/app:1@sha256:abc', '***@host/app:1@sha256:abc'],
      [`robot:s3c@ret@host/app@sha256:${'a'.repeat(64)}`, `***@host/app@sha256:${'a'.repeat(64)}`],
      ['robot:s3cret@sha256:5000/app', '***@sha256:5000/app'],
      ['https://robot:s3cret@sha256:443', 'https://***@sha256:443'],
    ] as const) {
      expect(shownInput(text, 200), text).to.be.oneOf([masked, masked.replace('https://', '')]);
      const redactor = Redactor.fromEnvironment({}, [text]);
      expect(redactor.redact(`"${text}"`), text)
        .to.not.contain('s3c')
        .and.not.contain('ret@');
    }
  });

  it('answers to hostile text of 100 kB in no time', () => {
    const redactor = new Redactor();
    for (const unit of [
      'a',
      'a.',
      'a://',
      'a:',
      '?token=',
      'Bearer ',
      'Basic aaaa',
      'authorization:',
      'eyJa.',
      'fm2_a-',
      '@',
      ' ',
    ]) {
      const text = unit.repeat(100_000 / unit.length);
      const start = performance.now();
      redactor.redact(text);
      expect(performance.now() - start, unit).to.be.below(200);
    }
  });
});
