import { expect } from 'chai';
import fc from 'fast-check';
import { DeployerError } from '../../../src/lib/errors.js';
import { digestOf } from '../../../src/oci/digest.js';
import { parseManifest, type ImageIndex, type ImageManifest } from '../../../src/oci/manifest.js';
import { MEDIA_TYPE, mediaTypeName } from '../../../src/oci/media-types.js';
import { thrownBy } from '../../support/failure.js';

const CONFIG = { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf('config'), size: 6 };
const LAYER = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf('layer'), size: 5 };
const CHILD = {
  mediaType: MEDIA_TYPE.ociManifest,
  digest: digestOf('child'),
  size: 5,
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
};
const MANIFEST = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config: CONFIG, layers: [LAYER] };
const INDEX = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [CHILD] };

function parse(document: unknown, contentType = ''): ImageIndex | ImageManifest {
  return parseManifest(Buffer.from(JSON.stringify(document)), contentType);
}

/** The message of the refusal, which names what is wrong. */
function refusal(document: unknown, contentType = '', code = 'manifest_invalid'): string {
  const error = thrownBy(() => parse(document, contentType));
  expect([error.code, error.exit]).to.deep.equal([code, 5]);
  expect(error.suggestions).not.to.deep.equal([]);
  return error.message;
}

describe('A manifest', () => {
  it('is read with its config, layers and annotations', () => {
    const annotations = { 'org.opencontainers.image.version': '1' };
    expect(parse({ ...MANIFEST, annotations }, `${MEDIA_TYPE.ociManifest}; charset=utf-8`)).to.deep.equal({
      kind: 'manifest',
      mediaType: MEDIA_TYPE.ociManifest,
      config: CONFIG,
      layers: [LAYER],
      annotations,
    });
  });

  it('is read with artifact type and subject, its layers with their urls', () => {
    const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('subject'), size: 7 };
    const foreign = {
      ...LAYER,
      mediaType: MEDIA_TYPE.dockerForeignLayer,
      urls: ['https://mirror.test/a', 5],
    };
    const read = parse({
      ...MANIFEST,
      artifactType: 'application/x',
      subject,
      layers: [foreign],
    }) as ImageManifest;
    expect([read.artifactType, read.subject]).to.deep.equal(['application/x', subject]);
    expect(read.layers[0]?.urls).to.deep.equal(['https://mirror.test/a']);
  });

  it('of Docker, and an index or list, is known by its media type', () => {
    expect(parse({ ...MANIFEST, mediaType: MEDIA_TYPE.dockerManifest }).kind).to.equal('manifest');
    const list = parse({ ...INDEX, mediaType: MEDIA_TYPE.dockerList }, MEDIA_TYPE.dockerList);
    expect(list).to.deep.equal({
      kind: 'index',
      mediaType: MEDIA_TYPE.dockerList,
      manifests: [CHILD],
      annotations: {},
    });
  });

  it('is known without a media type of its own: by Content-Type, else by its shape', () => {
    const { mediaType: _manifest, ...manifest } = MANIFEST;
    const { mediaType: _index, ...index } = INDEX;
    expect(parse(manifest, MEDIA_TYPE.dockerManifest).mediaType).to.equal(MEDIA_TYPE.dockerManifest);
    for (const generic of ['', 'application/json', 'application/octet-stream']) {
      expect(parse(manifest, generic).mediaType).to.equal(MEDIA_TYPE.ociManifest);
      expect(parse(index, generic).mediaType).to.equal(MEDIA_TYPE.ociIndex);
      expect(parse({ ...manifest, mediaType: MEDIA_TYPE.dockerManifest }, generic).mediaType).to.equal(
        MEDIA_TYPE.dockerManifest,
      );
    }
  });

  it('that can be read two ways is refused, whichever way it is asked (CVE-2021-41190)', () => {
    for (const contentType of ['', MEDIA_TYPE.ociManifest]) {
      expect(refusal({ ...MANIFEST, manifests: [] }, contentType)).to.contain('CVE-2021-41190');
    }
    for (const contentType of ['', MEDIA_TYPE.ociIndex]) {
      expect(refusal({ ...INDEX, layers: [] }, contentType)).to.contain('CVE-2021-41190');
      expect(refusal({ ...INDEX, config: CONFIG }, contentType)).to.contain('CVE-2021-41190');
    }
    const { mediaType: _, ...untyped } = { ...MANIFEST, ...INDEX };
    for (const contentType of ['', MEDIA_TYPE.ociManifest, MEDIA_TYPE.ociIndex]) {
      expect(refusal(untyped, contentType)).to.contain('CVE-2021-41190');
    }
  });

  it('whose Content-Type contradicts its body is refused, both named', () => {
    const message = refusal(MANIFEST, MEDIA_TYPE.ociIndex);
    expect(message)
      .to.contain(`Content-Type says "${MEDIA_TYPE.ociIndex}"`)
      .and.contain(`the body says "${MEDIA_TYPE.ociManifest}"`);
    expect(refusal(INDEX, 'text/plain')).to.contain('Content-Type says "text/plain"');
  });

  it('of schema 1 is refused with the reason, by its media type or by its version', () => {
    const schema1 = { schemaVersion: 1, name: 'old', tag: 'v1', fsLayers: [], history: [] };
    const types = [MEDIA_TYPE.dockerSchema1, MEDIA_TYPE.dockerSchema1Signed, 'application/json', ''];
    for (const contentType of types) {
      expect(refusal(schema1, contentType, 'schema1_unsupported')).to.match(/schema 1.+retired in 2020/);
    }
    expect(thrownBy(() => parse(schema1)).suggestions.join()).to.contain('build and push the image again');
  });

  it('names the place of what is wrong', () => {
    const layer = (change: object): object => ({ ...MANIFEST, layers: [LAYER, { ...LAYER, ...change }] });
    expect(refusal(layer({ digest: 'sha256:abc' }))).to.contain('layers[1].digest is "sha256:abc"');
    expect(refusal(layer({ digest: undefined }))).to.contain('layers[1].digest is missing');
    expect(refusal(layer({ size: -1 }))).to.contain('layers[1].size is "-1"');
    expect(refusal(layer({ size: 1.5 }))).to.contain('layers[1].size');
    expect(refusal(layer({ size: '5' }))).to.contain('layers[1].size');
    expect(refusal(layer({ size: 2 ** 60 }))).to.contain('layers[1].size');
    expect(refusal(layer({ mediaType: undefined }))).to.contain('layers[1].mediaType');
    expect(refusal({ ...MANIFEST, layers: ['x'] })).to.contain('layers[0] is not a descriptor');
    expect(refusal({ ...MANIFEST, layers: {} })).to.contain('"layers" is not a list');
    expect(refusal({ ...MANIFEST, config: undefined })).to.contain('config is not a descriptor');
    expect(refusal({ ...INDEX, manifests: [null] })).to.contain('manifests[0] is not a descriptor');
    expect(refusal({ ...INDEX, subject: {} })).to.contain('subject.digest is missing');
    expect(refusal({ ...INDEX, mediaType: 5 })).to.contain('"mediaType" is not a string');
    expect(refusal({ ...INDEX, mediaType: 'application/x' })).to.contain('"application/x" is neither');
    expect(refusal({ ...INDEX, schemaVersion: undefined })).to.contain('schemaVersion is missing');
    expect(refusal({ ...INDEX, schemaVersion: 3 })).to.contain('schemaVersion is "3"');
  });

  it('that is no JSON object is refused', () => {
    for (const text of ['', '<html>', '[]', 'null', '"x"', '{"schemaVersion":2', '\ufffe{}']) {
      const error = thrownBy(() => parseManifest(Buffer.from(text), MEDIA_TYPE.ociManifest));
      expect(error.code, text).to.equal('manifest_invalid');
    }
    const notUtf8 = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(thrownBy(() => parseManifest(notUtf8, '')).message).to.contain('not JSON');
  });

  it('holds 10,000 descriptors and no more', () => {
    const layers = (count: number): object => ({ ...MANIFEST, layers: Array(count).fill(LAYER) });
    expect((parse(layers(10_000)) as ImageManifest).layers).to.have.length(10_000);
    expect(refusal(layers(10_001))).to.contain('"layers" holds 10001 entries');
    expect(refusal({ ...INDEX, manifests: Array(10_001).fill(CHILD) })).to.contain('10001');
  });

  it('says what it met, however deep or long, in one clean line', () => {
    const deep = `{"schemaVersion":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    const nested = thrownBy(() => parseManifest(Buffer.from(deep), ''));
    expect(nested.code).to.equal('manifest_invalid');
    const long = refusal({ ...INDEX, mediaType: `\u001b[31m${'x'.repeat(100_000)}` });
    expect(long).to.have.length.below(300);
    expect(long).not.to.contain('\u001b');
  });

  it("takes keys of JavaScript's own for what they are: keys", () => {
    const text = JSON.stringify({ ...INDEX, annotations: { constructor: 'c', toString: 't' } })
      .replace('"constructor"', '"__proto__"')
      .replace('"platform":{', '"platform":{"__proto__":{"os":"evil"},');
    const read = parseManifest(Buffer.from(text), '') as ImageIndex;
    expect(Object.entries(read.annotations)).to.deep.equal([
      ['__proto__', 'c'],
      ['toString', 't'],
    ]);
    expect(read.manifests[0]?.platform).to.deep.equal(CHILD.platform);
    expect(({} as Record<string, unknown>)['os']).to.equal(undefined);
    expect(refusal(JSON.parse('{"__proto__": {"schemaVersion": 2}}'))).to.contain('schemaVersion is missing');
    expect(mediaTypeName('constructor')).to.equal('constructor');
  });

  it("passes no control character on in a platform's names", () => {
    const child = {
      ...CHILD,
      platform: { os: 'li\u001b[2Jnux', architecture: 'arm\u202e', variant: 'v7\n' },
    };
    const read = parse({ ...INDEX, manifests: [child] }) as ImageIndex;
    expect(read.manifests[0]?.platform).to.deep.equal({ os: 'li[2Jnux', architecture: 'arm', variant: 'v7' });
  });

  it("has no platform where a child's names no system or no processor", () => {
    for (const platform of [
      {},
      { os: 'linux' },
      { os: '', architecture: 'amd64' },
      { os: 5, architecture: [] },
      'x',
    ]) {
      const read = parse({ ...INDEX, manifests: [{ ...CHILD, platform }] }) as ImageIndex;
      expect(read.manifests[0], JSON.stringify(platform)).not.to.have.property('platform');
    }
  });

  it('of any JSON at all is read or refused with a code of its own', () => {
    const spoilt = fc
      .tuple(
        fc.constantFrom(MANIFEST, INDEX),
        fc.constantFrom(...Object.keys({ ...MANIFEST, ...INDEX })),
        fc.jsonValue(),
      )
      .map(([document, key, value]) => ({ ...document, [key]: value }));
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), spoilt),
        fc.constantFrom('', ...Object.values(MEDIA_TYPE)),
        (document, contentType) => {
          try {
            expect(parse(document, contentType).kind).to.be.oneOf(['index', 'manifest']);
          } catch (error) {
            if (!(error instanceof DeployerError)) throw error;
            expect(error.code).to.be.oneOf(['manifest_invalid', 'schema1_unsupported']);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
