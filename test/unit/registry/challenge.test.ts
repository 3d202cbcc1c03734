import { expect } from 'chai';
import fc from 'fast-check';
import { parseChallenge, type Challenge } from '../../../src/registry/challenge.js';

const REALM = 'https://auth.test/token';
const bearer = (more: object = {}): Challenge => ({ scheme: 'bearer', realm: REALM, ...more });

describe('A challenge', () => {
  const UNDERSTOOD: Readonly<Record<string, Challenge>> = {
    [`Bearer realm="${REALM}",service="reg",scope="repository:app:pull"`]: bearer({
      service: 'reg',
      scope: 'repository:app:pull',
    }),
    [`bearer REALM="${REALM}" , Service=reg`]: bearer({ service: 'reg' }),
    [`Bearer realm = "${REALM}"`]: bearer(),
    [`Bearer realm=${REALM}`]: bearer(),
    'Basic realm="Registry"': { scheme: 'basic' },
    BASIC: { scheme: 'basic' },
    'Basic realm="a, Bearer realm=\\"https://evil.test\\""': { scheme: 'basic' },

    // Several in one header, or in several that were joined: the strongest that is understood.
    [`Basic realm="x", Bearer realm="${REALM}",service="reg"`]: bearer({ service: 'reg' }),
    [`Bearer realm="${REALM}", Basic realm="x"`]: bearer(),
    [`Negotiate, NTLM, Bearer realm="${REALM}"`]: bearer(),
    'Negotiate oYG3MIG0/+AB==, Basic realm="x"': { scheme: 'basic' },
    [`Digest realm="x", nonce="a,b", qop="auth", Bearer realm="${REALM}"`]: bearer(),
    [`,, ,Bearer realm="${REALM}",,service="reg",`]: bearer({ service: 'reg' }),

    // Quoting (RFC 9110, 5.6.4); a comma or equals sign inside is a part of the value.
    [`Bearer realm="${REALM}",scope="repository:a:pull,push repository:b:pull"`]: bearer({
      scope: 'repository:a:pull,push repository:b:pull',
    }),
    [`Bearer realm="${REALM}",service="a\\"b\\\\c"`]: bearer({ service: 'a"b\\c' }),
    [`Bearer realm="${REALM}?a=1&b=2"`]: { scheme: 'bearer', realm: `${REALM}?a=1&b=2` },

    // Said twice, the first counts: what is appended can't change it.
    [`Bearer realm="${REALM}",realm="https://evil.test"`]: bearer(),
    [`Bearer realm="${REALM}", Bearer realm="https://evil.test"`]: bearer(),

    [`Bearer realm="${REALM}",service="",scope=""`]: bearer(),
    [`Bearer error="insufficient_scope",realm="${REALM}"`]: bearer(),
    [`Bearer {rubbish}, Bearer realm="${REALM}"`]: bearer(),
  };
  for (const [header, challenge] of Object.entries(UNDERSTOOD)) {
    it(`${header} is ${JSON.stringify(challenge)}`, () => {
      expect(parseChallenge(header)).to.deep.equal(challenge);
    });
  }

  const NONE: readonly (string | undefined)[] = [
    undefined,
    '',
    ',',
    'Negotiate',
    'Bearer',
    'Bearer service="reg"',
    'Bearer realm=""',
    'Bearer realm=',
    'Bearer realm="https://auth.test/unterminated',
    'realm="https://auth.test"',
    '"Bearer realm=x"',
    '{"errors":[]}',
    '\u0000\u0001',
  ];
  for (const header of NONE) {
    it(`${JSON.stringify(header)} is none`, () => {
      expect(parseChallenge(header)).to.equal(undefined);
    });
  }

  it('is read up to 8 kB and not beyond', () => {
    const header = (length: number): string => {
      const start = `Bearer realm="${REALM}",service="`;
      return `${start}${'s'.repeat(length - start.length - 1)}"`;
    };
    expect(parseChallenge(header(8192)))
      .to.have.property('service')
      .with.length.above(8000);
    expect(parseChallenge(header(8193))).to.equal(undefined);
  });

  it("is found behind an unknown scheme with parameters of JavaScript's own names", () => {
    expect(parseChallenge(`X constructor="a",__proto__="b", Bearer realm="${REALM}"`)).to.deep.equal(
      bearer(),
    );
    expect(parseChallenge('Bearer __proto__="x",constructor="y"')).to.equal(undefined);
  });

  it('of any text costs little and throws nothing; what is made of parts is found again', () => {
    const rubbish = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 2000 }),
      fc
        .array(fc.constantFrom('Bearer', 'Basic', ' ', ',', '=', '"', '\\', 'realm', 'a', '\t'), {
          maxLength: 800,
        })
        .map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(rubbish, (text) => {
        const challenge = parseChallenge(text);
        expect(challenge?.scheme ?? 'basic').to.be.oneOf(['basic', 'bearer']);
      }),
      { numRuns: 300 },
    );
    const quoted = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(quoted, quoted, (realm, service) => {
        const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;
        expect(parseChallenge(`Bearer realm=${quote(realm)}, service=${quote(service)}`)).to.deep.equal({
          scheme: 'bearer',
          realm,
          service,
        });
      }),
    );
  });

  it('takes steps in proportion to its length, whatever it is made of', () => {
    const shapes = ['"', '\\"', '=', ',', 'a=', 'a="', 'a ', ' ', '\t ', 'Bearer realm="', '"\\', '{', '{,'];
    const least = (header: string): number => {
      const times = Array.from({ length: 15 }, () => {
        const started = process.hrtime.bigint();
        for (let i = 0; i < 5; i += 1) parseChallenge(header);
        return Number(process.hrtime.bigint() - started);
      });
      return Math.min(...times);
    };
    const fill = (start: string, shape: string, length: number): string =>
      `${start}${shape.repeat(length)}`.slice(0, length);
    // Eight times as long: linear is 8, quadratic 64.
    const steep = ['Bearer realm="', 'Bearer '].flatMap((start) =>
      shapes.filter((shape) => least(fill(start, shape, 8192)) > 32 * least(fill(start, shape, 1024))),
    );
    expect(steep).to.deep.equal([]);
  });
});
