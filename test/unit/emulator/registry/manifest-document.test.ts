import { expect } from 'chai';
import { parseManifestDocument } from '../../../../src/emulator/registry/manifest-document.js';
import { ProtocolError } from '../../../../src/emulator/registry/protocol-error.js';
import { digestOf } from '../../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../../src/oci/media-types.js';

const { ociIndex, ociManifest, ociConfig, ociLayer, dockerManifest, dockerSchema1Signed } = MEDIA_TYPE;
const config = digestOf('config');
const layer = digestOf('layer');
const child = digestOf('child');
const subject = digestOf('subject');

function descriptor(digest: string, mediaType: string, more: object = {}): object {
  return { mediaType, digest, size: 3, ...more };
}

const image = {
  schemaVersion: 2,
  mediaType: ociManifest,
  config: descriptor(config, ociConfig),
  layers: [descriptor(layer, ociLayer)],
};

function parse(document: unknown, contentType: string | undefined = ociManifest) {
  return parseManifestDocument(Buffer.from(JSON.stringify(document)), contentType);
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(ProtocolError);
    const { body, status } = error as ProtocolError;
    const { errors } = JSON.parse(body) as { errors: [{ code: string; detail: string }] };
    expect([errors[0].code, status]).to.deep.equal(['MANIFEST_INVALID', 400]);
    return errors[0].detail;
  }
  throw new Error('it was taken');
}

describe('A pushed manifest', () => {
  it('of an image names config and layers as the blobs that must be there', () => {
    expect(parse(image).blobs).to.deep.equal([config, layer]);
    expect(parse(image).children).to.deep.equal([]);
  });

  it('does not need a layer here that has URLs elsewhere', () => {
    const foreign = descriptor(layer, ociLayer, { urls: ['https://elsewhere.example/layer'] });
    expect(parse({ ...image, layers: [foreign] }).blobs).to.deep.equal([config]);
  });

  it('of an index names its children', () => {
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [descriptor(child, ociManifest)] };
    expect(parse(index, ociIndex)).to.deep.include({ children: [child], blobs: [] });
  });

  it('takes its artifact type from the config when it names none, an index does not', () => {
    expect(parse(image).artifactType).to.equal(ociConfig);
    expect(parse({ ...image, artifactType: '' }).artifactType).to.equal(ociConfig);
    expect(parse({ ...image, artifactType: 'text/x' }).artifactType).to.equal('text/x');
    expect(parse({ schemaVersion: 2, manifests: [] }, ociIndex).artifactType).to.equal(undefined);
  });

  it('tells its subject and its annotations', () => {
    const referrer = { ...image, subject: descriptor(subject, ociManifest), annotations: { a: 'b' } };
    expect(parse(referrer)).to.deep.include({ subject, annotations: { a: 'b' } });
  });

  it('may have no layers, written as an empty list or as Go writes one', () => {
    expect(parse({ ...image, layers: [] }).blobs).to.deep.equal([config]);
    expect(parse({ ...image, layers: null }).blobs).to.deep.equal([config]);
  });

  it('is of the kind that the Content-Type says, whose parameters do not count', () => {
    expect(parse(image, `${ociManifest}; charset=utf-8`).mediaType).to.equal(ociManifest);
    const { mediaType, ...unnamed } = image;
    expect(parse(unnamed, mediaType).mediaType).to.equal(ociManifest);
  });

  const refused: readonly [string, unknown, string | undefined, RegExp][] = [
    ['has no Content-Type', image, '', /Content-Type/],
    ['has another media type than its Content-Type', image, dockerManifest, /Content-Type says/],
    ['is of a kind that no image is', image, 'text/plain', /text\/plain/],
    ['is of schema 1', { schemaVersion: 1 }, dockerSchema1Signed, /prettyjws/],
    ['is no object', [image], ociManifest, /object/],
    ['has no schema version', { ...image, schemaVersion: undefined }, ociManifest, /schemaVersion/],
    ['has no config', { ...image, config: undefined }, ociManifest, /config/],
    ['can be read both ways (CVE-2021-41190)', { ...image, manifests: [] }, ociManifest, /ambiguous/],
    [
      'names a layer by a bad digest',
      { ...image, layers: [descriptor('sha256:..', ociLayer)] },
      ociManifest,
      /layers\[0\]\.digest/,
    ],
    [
      'names a negative size',
      { ...image, config: descriptor(config, ociConfig, { size: -1 }) },
      ociManifest,
      /config\.size/,
    ],
    [
      'names a subject by a bad digest',
      { ...image, subject: descriptor('x', ociManifest) },
      ociManifest,
      /subject\.digest/,
    ],
  ];
  for (const [what, document, contentType, detail] of refused) {
    it(`is refused when it ${what}`, () => {
      expect(refusal(() => parse(document, contentType))).to.match(detail);
    });
  }

  it('is refused when it is not JSON in UTF-8', () => {
    expect(refusal(() => parseManifestDocument(Buffer.from('{'), ociManifest))).to.match(/JSON/);
    expect(refusal(() => parseManifestDocument(Buffer.from([0xff, 0xfe]), ociManifest))).to.match(/JSON/);
  });
});
