import { expect } from 'chai';
import type { Diagnosis } from '../../../src/image/diagnose/diagnose.js';
import { digestOf } from '../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { diagnosisLines } from '../../../src/ui/diagnosis-text.js';

const INDEX = digestOf('index');
const OTHER = digestOf('other');

const asked = { who: 'somebody', method: 'GET', accept: [] } as const;
const DIAGNOSIS: Diagnosis = {
  reference: 'ghcr.io/team/app:v1',
  digest: INDEX,
  clients: [
    { ...asked, name: 'full', status: 200, found: true, digest: INDEX },
    { ...asked, name: 'old', status: 404, code: 'MANIFEST_UNKNOWN', message: 'hidden', found: false },
    {
      ...{ ...asked, name: 'single', status: 200, found: true },
      ...{ digest: OTHER, mediaType: MEDIA_TYPE.dockerManifest },
    },
    { ...asked, name: 'head', method: 'HEAD', status: 404, found: false },
    { ...asked, name: 'lost', status: 0, code: 'dns_failed', message: 'no such host', found: false },
  ],
  targets: [
    { name: 'fly', runs: true, adaptation: 'none', reason: 'takes indexes', pullsWith: 'anonymous' },
    {
      ...{ name: 'heroku', runs: false, adaptation: 'convert', pullsWith: 'own-access' },
      reason: 'Docker media types only',
    },
  ],
  suggestions: ['for heroku: do this'],
  tokens: [],
};

const evidence = (more: Partial<Diagnosis>): string[] => {
  const lines = diagnosisLines({ ...DIAGNOSIS, ...more });
  const start = lines.indexOf('What else was seen:');
  return start === -1 ? [] : lines.slice(start + 1, lines.indexOf('', start)).map((line) => line.slice(2));
};

describe('A diagnosed image as text', () => {
  it('shows who is told what, what follows, and what to do', () => {
    expect(diagnosisLines(DIAGNOSIS)).to.deep.equal([
      `ghcr.io/team/app:v1  ${INDEX}`,
      '',
      'What each kind of client is told:',
      '  ✔ full               GET  200  somebody',
      '  ✖ old                GET  404  somebody',
      '      MANIFEST_UNKNOWN: hidden',
      '  ✔ single             GET  200  somebody',
      `      (is given another than the full client: ${OTHER} ${MEDIA_TYPE.dockerManifest})`,
      '  ✖ head               HEAD 404  somebody',
      '      (an answer to HEAD has no body: the reason stays hidden)',
      '  ✖ lost               GET  no answer  somebody',
      '      dns_failed: no such host',
      '',
      'What follows for each target:',
      '  ✔ fly                runs it as it is. takes indexes; pulls as anyone can',
      '  ✖ heroku             needs: convert. Docker media types only; pulls with its own access',
      '',
      'Try: for heroku: do this',
    ]);
    const { digest: _, ...unfound } = { ...DIAGNOSIS, targets: [], suggestions: [] };
    const lines = diagnosisLines(unfound);
    expect(lines[0]).to.equal('ghcr.io/team/app:v1');
    expect(lines).not.to.include('What follows for each target:');
  });

  it('does not say of what lies on this machine that a platform runs it from there', () => {
    const lines = diagnosisLines({ ...DIAGNOSIS, reference: 'localhost:5000/app:v1' });
    expect(lines.find((line) => line.includes('fly'))).to.contain(
      '✔ fly                would run it as it is from a registry that it reaches.',
    );
    expect(evidence({ reference: 'localhost:5000/app:v1' })[0]).to.match(
      /^reach +localhost:5000 is this machine/,
    );
  });

  it('tells once what everybody is told, and what nobody was asked for', () => {
    const refused = { ...asked, status: 404, code: 'MANIFEST_UNKNOWN', message: 'unknown', found: false };
    const clients = [
      { ...refused, name: 'full' },
      { ...refused, name: 'same' },
      { ...asked, name: 'head', method: 'HEAD', status: 404, found: false },
      { ...refused, name: 'other', message: 'hidden' },
      { ...refused, name: 'none', status: 0, notAsked: true },
    ] as const;
    expect(diagnosisLines({ ...DIAGNOSIS, clients }).slice(3, 11)).to.deep.equal([
      '  ✖ full               GET  404  somebody',
      '      MANIFEST_UNKNOWN: unknown',
      '  ✖ same               GET  404  somebody',
      '  ✖ head               HEAD 404  somebody',
      '  ✖ other              GET  404  somebody',
      '      MANIFEST_UNKNOWN: hidden',
      '  ✖ none               GET  not asked  somebody',
      '',
    ]);
  });

  it('shows what was asked of a token server and what it gave, and what is wrong with that', () => {
    const token = { realm: 'https://auth.example/token', asked: ['repository:app:pull'] } as const;
    const granted = { ...token, granted: token.asked, lacking: [], credentials: 'credsStore' } as const;
    expect(evidence({ tokens: [granted] })).to.deep.equal([
      'token       asked of https://auth.example/token with the credentials from credsStore: repository:app:pull; granted: repository:app:pull',
    ]);
    const nothing = { ...token, granted: [], lacking: token.asked, aheadSeconds: 600, expiredSeconds: 7 };
    const opaque = { ...token, granted: 'opaque', lacking: [] } as const;
    expect(evidence({ tokens: [nothing, opaque] })).to.deep.equal([
      'token       asked of https://auth.example/token without credentials: repository:app:pull; granted: nothing',
      '            not granted: repository:app:pull',
      "            not valid yet: issued 600 s ahead of the registry's clock",
      "            no longer valid: it expired 7 s ago by the registry's clock",
      'token       asked of https://auth.example/token without credentials: repository:app:pull; granted: does not show (it is opaque)',
    ]);
  });

  it('shows clocks, limits, tags and missing parts', () => {
    const registry = '2026-01-01T00:00:00.000Z';
    expect(evidence({ clock: { registry, skewSeconds: 2 } })[0]).to.match(/agree$/);
    expect(evidence({ clock: { registry, skewSeconds: -90 } })).to.deep.equal([
      `clock       the registry's is 90 s behind this machine's (${registry})`,
    ]);
    const rateLimit = { limit: 100, remaining: 7, windowSeconds: 21_600, source: '192.0.2.1' };
    expect(evidence({ rateLimit })).to.deep.equal([
      'rate limit  7 left, of 100 in 21600 s, counted for 192.0.2.1',
    ]);
    const tags = { status: 'listed', count: 1000, more: true, nearest: ['v1', 'v3'] } as const;
    expect(evidence({ tags })).to.deep.equal(['tags        more than 1000, nearest: v1, v3']);
    const checked = { manifests: 2, blobs: 3 };
    expect(
      evidence({ parts: { complete: false, checked: { manifests: 1, blobs: 0 }, problems: [] } }),
    ).to.deep.equal(['parts       1 manifest asked for (--complete: also configs and layers): all there']);
    const missing = { kind: 'layer', digest: OTHER, state: 'missing', reason: 'gone' } as const;
    const problems = [{ ...missing, breaks: ['linux/amd64', 'linux/arm64'] }];
    expect(evidence({ parts: { complete: true, checked, problems } })).to.deep.equal([
      'parts       2 manifests and 3 blobs asked for: 1 not to be had',
      `            ✖ layer ${OTHER} is missing, breaks linux/amd64, linux/arm64: gone`,
    ]);
  });
});
