import { expect } from 'chai';
import fc from 'fast-check';
import { DeployerError } from '../../../src/lib/errors.js';
import {
  formatReference,
  manifestNameOf,
  parseReference,
  repositoryOf,
  type Reference,
} from '../../../src/oci/reference.js';
import { thrownBy } from '../../support/failure.js';

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}`;
const SHA512 = `sha512:${'0123456789abcdef'.repeat(8)}`;
const HEX_ID = 'a'.repeat(64);

describe('A reference', () => {
  // The grammar of distribution/reference with docker's short names: domain, path, tag, digest; `-` for none.
  const VALID: Readonly<Record<string, string>> = {
    alpine: 'docker.io library/alpine - -',
    'alpine:3.20': 'docker.io library/alpine 3.20 -',
    [`alpine@${SHA256}`]: `docker.io library/alpine - ${SHA256}`,
    [`alpine:3.20@${SHA512}`]: `docker.io library/alpine 3.20 ${SHA512}`,
    'grafana/grafana': 'docker.io grafana/grafana - -',
    'library/alpine': 'docker.io library/alpine - -',
    'docker.io/alpine': 'docker.io library/alpine - -',
    'index.docker.io/alpine:3': 'docker.io library/alpine 3 -',
    'registry-1.docker.io/team/app': 'docker.io team/app - -',
    'docker.io/library': 'docker.io library/library - -',
    'docker.io': 'docker.io library/docker.io - -',

    // Without a slash there is no host: what looks like one is a name, what looks like a port a tag.
    'test.com:tag': 'docker.io library/test.com tag -',
    '192.168.1.1': 'docker.io library/192.168.1.1 - -',
    '192.168.1.1:5000': 'docker.io library/192.168.1.1 5000 -',
    localhost: 'docker.io library/localhost - -',
    'foo_bar.com:8080': 'docker.io library/foo_bar.com 8080 -',

    'test.com/repo:tag': 'test.com repo tag -',
    'test:5000/repo': 'test:5000 repo - -',
    [`test:5000/repo:tag@${SHA256}`]: `test:5000 repo tag ${SHA256}`,
    'localhost/repo:tag': 'localhost repo tag -',
    'localhost:5000/a/b/c': 'localhost:5000 a/b/c - -',
    'Foo/bar': 'Foo bar - -',
    'sub-dom1.foo.com/bar/baz/quux:some-long-tag': 'sub-dom1.foo.com bar/baz/quux some-long-tag -',
    'b.gcr.io/test.example.com/my-app:test.example.com':
      'b.gcr.io test.example.com/my-app test.example.com -',
    'xn--n3h.com/myimage:xn--n3h.com': 'xn--n3h.com myimage xn--n3h.com -',
    'xn--7o8h.com/myimage:xn--7o8h.com': 'xn--7o8h.com myimage xn--7o8h.com -',
    '192.168.1.1/repo': '192.168.1.1 repo - -',
    '192.168.1.1:5000/repo:5050': '192.168.1.1:5000 repo 5050 -',
    '[2001:db8::1]/repo': '[2001:db8::1] repo - -',
    '[2001:db8:1:2:3:4:5:6]/repo:tag': '[2001:db8:1:2:3:4:5:6] repo tag -',
    '[::1]:5000/a/b:tag': '[::1]:5000 a/b tag -',
    '[2001:DB8::]:5000/repo': '[2001:DB8::]:5000 repo - -',
    'foo_bar/foo': 'docker.io foo_bar/foo - -',
    'foo/foo_bar.com:8080': 'docker.io foo/foo_bar.com 8080 -',
    'registry.fly.io/example:deployment-01HXYZ': 'registry.fly.io example deployment-01HXYZ -',

    // Separators within a part of a path: one dot, one or two underscores, any number of dashes.
    'x/a.b/c_d/e__f/g-h/i---j/0/00': 'docker.io x/a.b/c_d/e__f/g-h/i---j/0/00 - -',
    'lowercase:Uppercase': 'docker.io library/lowercase Uppercase -',
    'a:_x': 'docker.io library/a _x -',

    // An image id alone is no name; what only holds one is.
    [`${HEX_ID}:v1`]: `docker.io library/${HEX_ID} v1 -`,
    [`team/${HEX_ID}`]: `docker.io team/${HEX_ID} - -`,
    ['a'.repeat(63)]: `docker.io library/${'a'.repeat(63)} - -`,
  };
  for (const [input, expected] of Object.entries(VALID)) {
    it(`${input} is ${expected}`, () => {
      const { domain, path, tag, digest } = parseReference(input);
      expect([domain, path, tag ?? '-', digest ?? '-'].join(' ')).to.equal(expected);
    });
  }

  const INVALID: Readonly<Record<string, RegExp>> = {
    '': /it is empty/,
    ':justtag': /the repository is missing/,
    [`@${SHA256}`]: /the repository is missing/,
    'host.com/': /the repository is missing/,
    'alpine:': /the tag ""/,
    'alpine:-x': /the tag "-x"/,
    'alpine:.x': /the tag ".x"/,
    'alpine:a b': /white space/,
    'alpine:a$b': /the tag "a\$b"/,
    'alpine@': /"" is no digest/,
    'alpine@sha256:ffff33': /"sha256:ffff33" is no digest/,
    [`alpine@sha256:${'F'.repeat(64)}`]: /is no digest.+lower-case/,
    [`alpine@md5:${'f'.repeat(32)}`]: /is no digest: sha256: and 64, or sha512: and 128/,
    [`alpine@${SHA256}@${SHA256}`]: /is no digest/,
    [`alpine@${SHA256}:tag`]: /is no digest/,
    'Uppercase:tag': /lower case/,
    'docker.io/Team/app': /lower case/,
    'test:5000/Uppercase/lowercase:tag': /lower case/,
    'aa/asdf$$^/aa': /the part "asdf\$\$\^"/,
    'a//b': /an empty part/,
    '/a': /an empty part/,
    'a/': /an empty part/,
    'a..b/c': /no host name/,
    'x/a..b': /the part "a\.\.b"/,
    'x/a___b': /the part "a___b"/,
    'x/-a': /the part "-a"/,
    'x/a-': /the part "a-"/,
    'x/a._b': /the part/,
    'x/ä': /the part/,
    '-test:5000/repo': /no host name/,
    'test-:5000/repo': /no host name/,
    'foo_bar.com/repo': /no host name/,
    '1.2.3.400/repo': /no host name/,
    'a.1/repo': /no host name/,
    '99999999999:5000/repo': /no host name/,
    'test.com./repo': /no host name/,
    'test:/repo': /no valid port/,
    'test:http/repo': /no valid port/,
    'test:65536/repo': /no valid port/,
    'test:-1/repo': /no valid port/,
    '::1:5000/repo': /no valid port.+brackets/,
    '[2001:db8::1]': /the tag/,
    '[2001:db8::1]:5000': /the tag/,
    '[2001:db8::1/repo': /no valid port|no IPv6 address/,
    '[fe80::1%eth0]:5000/repo': /no IPv6 address/,
    '[::1]x/repo': /no IPv6 address/,
    '[1:2]/repo': /no IPv6 address/,
    '[::ffff:127.0.0.1]:5000/repo': /no IPv6 address/,
    'https://ghcr.io/team/app': /a reference has no scheme/,
    'docker://alpine': /a reference has no scheme/,
    ' alpine': /white space/,
    'alpine\n': /white space/,
    'al\u00a0pine': /white space/,
    'alpine\u0000': /the part/,
    'alp\u001b[31mine': /the part/,
    [HEX_ID]: /an image id, not a name/,
  };
  for (const [input, why] of Object.entries(INVALID)) {
    it(`${JSON.stringify(input)} is none: ${String(why)}`, () => {
      const error = thrownBy(() => parseReference(input));
      expect([error.code, error.exit]).to.deep.equal(['reference_invalid', 2]);
      expect(error.message).to.match(why);
      expect(error.suggestions.join()).to.contain('[HOST[:PORT]/]NAME[:TAG][@DIGEST]');
      expect(error.message, 'goes to a terminal').not.to.match(/[^\P{Cc}]/u);
    });
  }

  it('says how a wrong one is meant', () => {
    for (const [given, meant] of [
      ['docker.io/Team/App', 'docker.io/team/app'],
      ['localhost:1/BB:x', 'localhost:1/bb:x'],
      ['App:V1', 'app:V1'],
      [`h.test/A/b:1@${SHA256}`, `h.test/a/b:1@${SHA256}`],
    ] as const) {
      expect(thrownBy(() => parseReference(given)).suggestions[0]).to.equal(meant);
    }
    expect(thrownBy(() => parseReference('docker://alpine')).suggestions[0]).to.equal(
      'leave out "docker://"',
    );
  });

  it('has a path of at most 255 characters, with library/ and without the host', () => {
    const host = `${'h'.repeat(60)}.example.com:65535`;
    expect(parseReference(`${host}/${'a'.repeat(255)}:v1`).path).to.have.length(255);
    expect(thrownBy(() => parseReference(`${host}/${'a'.repeat(256)}`)).message).to.match(/longer than 255/);
    expect(parseReference('a'.repeat(247)).path).to.have.length(255);
    expect(thrownBy(() => parseReference('a'.repeat(248))).message).to.match(/longer than 255/);
    expect(parseReference(`${'a/'.repeat(127)}a`).path).to.have.length(255);
  });

  it('has a tag of at most 128 characters and a host of at most 255', () => {
    const tag = 't'.repeat(128);
    expect(parseReference(`alpine:${tag}`).tag).to.equal(tag);
    expect(thrownBy(() => parseReference(`alpine:${tag}t`)).message).to.match(/at most 128/);
    const host = `${'h.'.repeat(127)}h`;
    const longest = `${host}:65535/${'a'.repeat(255)}:${tag}@${SHA512}`;
    expect(formatReference(parseReference(longest))).to.equal(longest);
    expect(thrownBy(() => parseReference(`${host}h/a`)).message).to.match(/no host name/);
  });

  it('is resolved by its digest if it has one, else its tag, else latest', () => {
    expect(manifestNameOf(parseReference(`alpine:3@${SHA256}`))).to.equal(SHA256);
    expect(manifestNameOf(parseReference('alpine:3'))).to.equal('3');
    expect(manifestNameOf(parseReference('alpine'))).to.equal('latest');
    expect(repositoryOf(parseReference(`ghcr.io/team/app:3@${SHA256}`))).to.equal('ghcr.io/team/app');
  });

  describe('of hostile make', () => {
    const SHAPES: Readonly<Record<string, (length: number) => string>> = {
      letters: (length) => 'a'.repeat(length),
      'upper case': (length) => 'A'.repeat(length),
      dashes: (length) => `a${'-'.repeat(length)}`,
      'dashes and letters': (length) => 'a-'.repeat(length / 2),
      underscores: (length) => `a${'_'.repeat(length)}`,
      dots: (length) => 'a.'.repeat(length / 2),
      slashes: (length) => 'a/'.repeat(length / 2),
      colons: (length) => ':'.repeat(length),
      'at signs': (length) => 'a@'.repeat(length / 2),
      'a long tag': (length) => `a:${'t'.repeat(length)}`,
      'a long digest': (length) => `a@sha256:${'f'.repeat(length)}`,
      'a long host': (length) => `${'a-'.repeat(length / 2)}a:5000/b`,
      'a long port': (length) => `a:${'1'.repeat(length)}/b`,
      'open brackets': (length) => '['.repeat(length),
      'an IPv6 address': (length) => `[${'1:'.repeat(length / 2)}]/a`,
      'a scheme': (length) => 'a+'.repeat(length / 2),
      blanks: (length) => ' '.repeat(length),
      zeros: (length) => '\u0000'.repeat(length),
      'half a surrogate pair': (length) => '\ud800'.repeat(length),
      'combining marks': (length) => `a${'\u0301'.repeat(length)}`,
    };
    for (const [name, make] of Object.entries(SHAPES)) {
      it(`(${name}) is refused, whatever its length, in one line`, () => {
        // 700 is within what is parsed, 100,000 beyond it.
        for (const length of [700, 100_000]) {
          const { code, message } = thrownBy(() => parseReference(make(length)));
          expect(code).to.equal('reference_invalid');
          expect(message.length).to.be.below(400);
        }
      });
    }

    it('costs no more at 100 kB than at 10 kB', () => {
      const least = (input: string): number => {
        const times = Array.from({ length: 15 }, () => {
          const started = process.hrtime.bigint();
          for (let i = 0; i < 20; i += 1) thrownBy(() => parseReference(input));
          return Number(process.hrtime.bigint() - started);
        });
        return Math.min(...times);
      };
      const slower = Object.entries(SHAPES).filter(([, make]) => {
        const [short, long] = [make(10_000), make(100_000)];
        return least(long) > 5 * least(short);
      });
      expect(slower.map(([name]) => name)).to.deep.equal([]);
    });
  });

  describe('for any input', () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const component = fc
      .array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '--'), word), { maxLength: 2 })
      .chain((more) =>
        word.map((first) => first + more.map(([separator, next]) => separator + next).join('')),
      );
    const label = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,6}[A-Za-z0-9])?$/);
    const host = fc.oneof(
      fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.')),
      fc.ipV4(),
      fc
        .ipV6()
        .filter((address) => !address.includes('.'))
        .map((address) => `[${address}]`),
      fc.constant('localhost'),
    );
    const domain = fc.oneof(
      host,
      fc
        .tuple(fc.oneof(host, label), fc.integer({ min: 0, max: 65_535 }))
        .map(([name, port]) => `${name}:${port}`),
    );
    // A name of digits is an IPv4 address to WHATWG's URL, and a wrong one unless it fits.
    const known = domain.filter((name) => URL.canParse(`http://${name}`));
    const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
      fc.option(arbitrary, { nil: undefined });
    const written = fc
      .record({
        domain: optional(known),
        path: fc
          .tuple(word, fc.array(component, { maxLength: 3 }))
          .map(([first, more]) => [first, ...more].join('/')),
        tag: optional(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/)),
        digest: optional(
          fc.oneof(
            fc.stringMatching(/^[a-f0-9]{64}$/).map((hex) => `sha256:${hex}`),
            fc.stringMatching(/^[a-f0-9]{128}$/).map((hex) => `sha512:${hex}`),
          ),
        ),
      })
      .map((part) =>
        [
          part.domain === undefined ? '' : `${part.domain}/`,
          part.path,
          part.tag === undefined ? '' : `:${part.tag}`,
          part.digest === undefined ? '' : `@${part.digest}`,
        ].join(''),
      )
      .filter((text) => !/^[a-f0-9]{64}$/.test(text));

    it('that the grammar makes: it parses, and what is printed of it parses to the same', () => {
      fc.assert(
        fc.property(written, (text) => {
          const reference: Reference = parseReference(text);
          expect(parseReference(formatReference(reference))).to.deep.equal(reference);
        }),
        { numRuns: 200 },
      );
    });

    it('at all: it parses to what prints the same, or is refused as reference_invalid', () => {
      const spoilt = fc
        .tuple(written, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }))
        .map(
          ([text, at, junk]) =>
            text.slice(0, at % (text.length + 1)) + junk + text.slice(at % (text.length + 1)),
        );
      fc.assert(
        fc.property(fc.oneof(spoilt, fc.string({ unit: 'binary', maxLength: 300 })), (text) => {
          try {
            const reference = parseReference(text);
            expect(parseReference(formatReference(reference))).to.deep.equal(reference);
          } catch (error) {
            if (!(error instanceof DeployerError)) throw error;
            expect(error.code).to.equal('reference_invalid');
          }
        }),
        { numRuns: 500 },
      );
    });
  });
});
