import { expect } from 'chai';
import { grantOf, notGranted, type TokenGrant } from '../../../src/registry/token-grant.js';

const REALM = new URL('https://auth.example/token?secret=in-the-query');

function jwt(claims: unknown): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ typ: 'JWT', alg: 'none' })}.${part(claims)}.c2lnbmF0dXJl`;
}

function grant(value: string): TokenGrant {
  return grantOf({ host: 'example.com', realm: REALM, scopes: ['repository:app:pull'] }, { value });
}

describe('What a token is good for', () => {
  it('stands in the access claim of a JWT, with the times between which it counts', () => {
    const access = [
      { type: 'repository', name: 'app', actions: ['pull', 'push'] },
      { type: 'repository', name: 'other', actions: [] },
    ];
    expect(
      grant(jwt({ access, iat: 1_700_000_000, nbf: 1_699_999_995, exp: 1_700_000_300.5 })),
    ).to.deep.equal({
      ...{ host: 'example.com', realm: 'https://auth.example/token', asked: ['repository:app:pull'] },
      granted: ['repository:app:pull,push'],
      ...{ issuedAt: 1_700_000_000_000, notBefore: 1_699_999_995_000, expiresAt: 1_700_000_300_500 },
    });
  });

  it('is not told by any other token, and by no claim that is not understood', () => {
    const opaque = ['djE6abc', 'a.b.c', '..', 'a.b.c.d', jwt(null), jwt([1]), jwt('text'), jwt({ sub: 'x' })];
    for (const token of [...opaque, jwt({ access: 'all' })])
      expect(grant(token).granted, token).to.equal('opaque');
    expect(grant(jwt({ access: null })).granted).to.deep.equal([]);
  });

  it('is bounded and clean whatever a server puts into it', () => {
    const entry = { type: 'repository', name: `evil\u001b[2J${'x'.repeat(10_000)}`, actions: ['pull'] };
    const { granted, ...rest } = grant(
      jwt({
        access: [
          null,
          1,
          { type: 1 },
          { type: 'a', name: 'b', actions: [1, {}] },
          ...Array.from({ length: 999 }, () => entry),
        ],
        ...{ iat: 'soon', nbf: -1, exp: 1e300 },
      }),
    );
    expect(granted).to.have.length.within(1, 50);
    for (const scope of granted)
      expect(scope)
        .to.match(/^repository:evil\[2Jx+…$/)
        .and.have.lengthOf.below(401);
    expect(rest).not.to.have.any.keys('issuedAt', 'notBefore', 'expiresAt');
  });

  it('lacks what was asked for and is not in it', () => {
    const lacking = (asked: string[], granted: string[] | 'opaque'): string[] =>
      notGranted({ asked, granted });
    expect(lacking(['repository:a/b:pull,push'], ['repository:a/b:pull'])).to.deep.equal([
      'repository:a/b:push',
    ]);
    expect(lacking(['repository:a:pull'], ['repository:b:pull'])).to.deep.equal(['repository:a:pull']);
    expect(lacking(['repository:a:pull,push'], ['repository:a:pull', 'repository:a:push'])).to.deep.equal([]);
    expect(lacking(['repository:a:pull'], ['repository:a:*'])).to.deep.equal([]);
    expect(lacking(['repository:h:5/a:pull'], 'opaque')).to.deep.equal([]);
  });
});
