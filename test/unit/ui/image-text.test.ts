import { expect } from 'chai';
import type { Inspection } from '../../../src/image/inspect.js';
import { digestOf } from '../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { inspectionLines } from '../../../src/ui/image-text.js';

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
