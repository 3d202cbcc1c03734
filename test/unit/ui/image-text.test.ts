import { expect } from 'chai';
import type { Diagnosis } from '../../../src/image/diagnose.js';
import type { Inspection } from '../../../src/image/inspect.js';
import { digestOf } from '../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { diagnosisLines, inspectionLines } from '../../../src/ui/image-text.js';

const INDEX = digestOf('index');
const IMAGE = digestOf('image');
const LAYER = digestOf('layer');
const PROVENANCE = digestOf('provenance');

const INSPECTION: Inspection = {
  reference: 'ghcr.io/team/app:v1',
  digest: INDEX,
  mediaType: MEDIA_TYPE.ociIndex,
  kind: 'index',
  size: 856,
  platforms: [
    {
      ...{ os: 'linux', architecture: 'arm', variant: 'v7', digest: IMAGE, size: 3_400_000 },
      layers: [{ digest: LAYER, size: 3_399_000, mediaType: MEDIA_TYPE.ociLayerGzip }],
    },
  ],
  attestations: [
    { digest: PROVENANCE, subject: IMAGE, predicateTypes: ['https://slsa.dev/provenance/v1'] },
    { digest: PROVENANCE, predicateTypes: [] },
  ],
  annotations: { 'org.opencontainers.image.version': '1.2' },
};

describe('An inspected image as text', () => {
  it('is a tree', () => {
    expect(inspectionLines(INSPECTION).join('\n')).to.equal(
      [
        'ghcr.io/team/app:v1',
        `  digest       ${INDEX}`,
        `  kind         index (${MEDIA_TYPE.ociIndex}), 856 B`,
        '  platform     linux/arm/v7, 3.4 MB in 1 layer',
        `    digest     ${IMAGE}`,
        `    layer      ${LAYER}  3.4 MB  ${MEDIA_TYPE.ociLayerGzip}`,
        '  attestation  https://slsa.dev/provenance/v1',
        `    digest     ${PROVENANCE}`,
        `    about      ${IMAGE}`,
        '  attestation  of no named predicate type',
        `    digest     ${PROVENANCE}`,
        '  annotation   org.opencontainers.image.version=1.2',
      ].join('\n'),
    );
  });

  it('lets nothing that the image says move the cursor, colour a line, add one, or reorder it', () => {
    const evil = 'a\u001b[2J\u0007\r\nb\u202ec\u009b31m';
    const [platform] = INSPECTION.platforms;
    const lines = inspectionLines({
      ...INSPECTION,
      platforms: platform ? [{ ...platform, layers: [{ digest: LAYER, size: 1, mediaType: evil }] }] : [],
      attestations: [{ digest: PROVENANCE, predicateTypes: [evil, evil] }],
      annotations: { [evil]: evil.repeat(1000) },
    });
    expect(lines).to.have.length(inspectionLines(INSPECTION).length - 3);
    for (const line of lines) {
      expect(line).not.to.match(/[^\P{Cc}]|[\u202a-\u202e\u2066-\u2069]/u);
      expect(line.length).to.be.below(700);
    }
  });
});

describe('A diagnosed image as text', () => {
  it('shows who is told what, what follows, and what to do', () => {
    const asked = { who: 'somebody', method: 'GET', accept: [] };
    const diagnosis: Diagnosis = {
      reference: 'ghcr.io/team/app:v1',
      digest: INDEX,
      clients: [
        { ...asked, name: 'full', status: 200, found: true },
        { ...asked, name: 'old', status: 404, code: 'MANIFEST_UNKNOWN', message: 'hidden', found: false },
        { ...asked, name: 'head', method: 'HEAD', status: 404, found: false },
        { ...asked, name: 'lost', status: 0, code: 'dns_failed', message: 'no such host', found: false },
      ],
      targets: [
        { name: 'fly', runs: true, adaptation: 'none', reason: 'takes indexes' },
        { name: 'heroku', runs: false, adaptation: 'convert', reason: 'Docker media types only' },
      ],
      suggestions: ['do this'],
    };
    expect(diagnosisLines(diagnosis)).to.deep.equal([
      `ghcr.io/team/app:v1  ${INDEX}`,
      '',
      'What each kind of client is told:',
      '  ✔ full               GET  200  somebody',
      '  ✖ old                GET  404  somebody',
      '      MANIFEST_UNKNOWN: hidden',
      '  ✖ head               HEAD 404  somebody',
      '      (an answer to HEAD has no body: the reason stays hidden)',
      '  ✖ lost               GET  no answer  somebody',
      '      dns_failed: no such host',
      '',
      'What follows for each target:',
      '  ✔ fly                runs it as it is. takes indexes',
      '  ✖ heroku             needs: convert. Docker media types only',
      '',
      'Try: do this',
    ]);
    const { digest: _, ...unfound } = { ...diagnosis, targets: [], suggestions: [] };
    const lines = diagnosisLines(unfound);
    expect(lines[0]).to.equal('ghcr.io/team/app:v1');
    expect(lines).not.to.include('What follows for each target:');
  });
});
