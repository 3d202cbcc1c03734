import { expect } from 'chai';
import fc from 'fast-check';
import { convertImage, type Conversion } from '../../../src/image/convert.js';
import type { ImageTree } from '../../../src/image/image-tree.js';
import { digestOf } from '../../../src/oci/digest.js';
import { parseManifest } from '../../../src/oci/manifest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { thrownBy } from '../../support/failure.js';
import {
  buildxIndex,
  dockerImage,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  type FixtureManifest,
} from '../../support/image-fixtures.js';

const TO_DOCKER: Conversion = { to: 'docker', stripAttestations: false };
const TO_OCI: Conversion = { to: 'oci', stripAttestations: false };

function treeOf(image: FixtureManifest): ImageTree {
  return leaf(image.bytes, image.mediaType, image.children.map(treeOf));
}

function leaf(bytes: Buffer, mediaType: string, children: readonly ImageTree[] = []): ImageTree {
  const content = parseManifest(bytes, mediaType);
  return { stored: { bytes, digest: digestOf(bytes), size: bytes.length, content }, children };
}

function manifestOf(value: object, indent?: number): ImageTree {
  return leaf(Buffer.from(JSON.stringify(value, null, indent)), (value as { mediaType: string }).mediaType);
}

const SOME = { digest: digestOf('some'), size: 4 };
const IMAGE = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociManifest,
  config: { mediaType: MEDIA_TYPE.ociConfig, ...SOME },
};

describe('Converting an image', () => {
  for (const [kind, make, there, back] of [
    ['an OCI image', ociImage, TO_DOCKER, TO_OCI],
    ['a Docker image', dockerImage, TO_OCI, TO_DOCKER],
    ['an OCI index', multiPlatformIndex, TO_DOCKER, TO_OCI],
    ['a Docker list', () => multiPlatformIndex('docker'), TO_OCI, TO_DOCKER],
    ['an index in an index', nestedIndex, TO_DOCKER, TO_OCI],
  ] as const) {
    it(`${kind}: every type changes, no blob does, and there and back is the same`, async () => {
      const tree = treeOf(await make());
      const other = convertImage(tree, there);
      const text = JSON.stringify(textsOf(other));
      expect(text).to.not.contain(there.to === 'docker' ? 'vnd.oci.image' : 'vnd.docker');
      expect(blobDigests(other)).to.deep.equal(blobDigests(tree));
      expect(other.stored.digest).to.equal(digestOf(other.stored.bytes));
      expect(convertImage(other, back)).to.deep.equal(tree);
    });
  }

  it('there and back is the same digest, however the manifest was printed', () => {
    const layerType = fc.constantFrom(
      ...[
        MEDIA_TYPE.ociLayerGzip,
        MEDIA_TYPE.ociLayer,
        MEDIA_TYPE.ociForeignLayer,
        MEDIA_TYPE.ociForeignLayerGzip,
      ],
    );
    const layer = fc.record({
      mediaType: layerType,
      digest: fc.string().map((text) => digestOf(text)),
      size: fc.nat(),
    });
    const extra = fc.dictionary(
      fc
        .string()
        .filter(
          (key) =>
            ![
              'schemaVersion',
              'mediaType',
              'config',
              'layers',
              'manifests',
              'subject',
              'artifactType',
              'annotations',
              '__proto__',
            ].includes(key),
        ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(
        ...([
          fc.array(layer, { maxLength: 5 }),
          extra,
          fc.constantFrom(undefined, 2, 3),
          fc.dictionary(fc.string(), fc.string()),
        ] as const),
        (layers, more, indent, annotations) => {
          const tree = manifestOf({ ...more, ...IMAGE, annotations, layers }, indent);
          const docker = convertImage(tree, TO_DOCKER);
          expect(docker.stored.content.mediaType).to.equal(MEDIA_TYPE.dockerManifest);
          expect(convertImage(docker, TO_OCI).stored.digest).to.equal(tree.stored.digest);
        },
      ),
    );
  });

  it('an index names what its children have become', async () => {
    const docker = convertImage(treeOf(await multiPlatformIndex()), TO_DOCKER);
    const { content } = docker.stored;
    expect(
      content.kind === 'index' &&
        content.manifests.map(({ digest, size, mediaType }) => ({ digest, size, mediaType })),
    ).to.deep.equal(
      docker.children.map(({ stored }) => ({
        digest: stored.digest,
        size: stored.size,
        mediaType: MEDIA_TYPE.dockerManifest,
      })),
    );
  });

  it('that is in the form already keeps it as it is', async () => {
    const tree = treeOf(await buildxIndex());
    expect(convertImage(tree, TO_OCI)).to.deep.equal(tree);
  });

  it('puts the type into a manifest that leaves it out', () => {
    const { mediaType, ...untyped } = { ...IMAGE, layers: [] };
    const tree = leaf(Buffer.from(JSON.stringify(untyped)), mediaType);
    const { bytes } = convertImage(tree, TO_DOCKER).stored;
    expect(JSON.parse(bytes.toString())).to.include({
      mediaType: MEDIA_TYPE.dockerManifest,
      schemaVersion: 2,
    });
  });

  it('renames Docker layers inside an OCI manifest too', () => {
    const tree = manifestOf({ ...IMAGE, layers: [{ mediaType: MEDIA_TYPE.dockerLayer, ...SOME }] });
    const { content } = convertImage(tree, TO_OCI).stored;
    expect(content.kind === 'manifest' && content.layers[0]?.mediaType).to.equal(MEDIA_TYPE.ociLayerGzip);
  });

  describe('with attestations', () => {
    for (const attestation of ['annotated', 'artifact'] as const) {
      it(`that are ${attestation}: refused, since they are about another digest then`, async () => {
        const tree = treeOf(await buildxIndex({ attestation }));
        const failure = thrownBy(() => convertImage(tree, TO_DOCKER));
        expect(failure).to.include({ code: 'image_not_convertible', exit: 5 });
        expect(failure.suggestions.join()).to.contain('--strip-attestations');
      });

      it(`that are ${attestation}: --strip-attestations leaves the images, and only those`, async () => {
        const tree = treeOf(await buildxIndex({ attestation }));
        const docker = convertImage(tree, { to: 'docker', stripAttestations: true });
        expect(docker.children).to.have.length(1);
        const { content } = docker.stored;
        expect(content.kind === 'index' && content.manifests.map(({ digest }) => digest)).to.deep.equal([
          docker.children[0]?.stored.digest,
        ]);
        const stripped = convertImage(tree, { to: 'oci', stripAttestations: true });
        expect(stripped.children[0]).to.deep.equal(tree.children[0]);
      });
    }
  });

  describe('is refused, with the reason', () => {
    const layers = (mediaType: string): object => ({ ...IMAGE, layers: [{ mediaType, ...SOME }] });
    for (const [what, manifest, reason] of [
      ['zstd layers', layers(MEDIA_TYPE.ociLayerZstd), 'compressed with zstd'],
      ['encrypted layers', layers(`${MEDIA_TYPE.ociLayerGzip}+encrypted`), 'is encrypted'],
      ['an attestation', layers(MEDIA_TYPE.inToto), 'an attestation (in-toto)'],
      ['layers of no known type', layers('application/x-mine'), '"application/x-mine"'],
      [
        'an artifact',
        { ...IMAGE, config: { mediaType: 'application/vnd.cncf.helm.config.v1+json', ...SOME }, layers: [] },
        'no container image but an artifact',
      ],
      [
        'a manifest about another one',
        { ...IMAGE, layers: [], subject: { mediaType: MEDIA_TYPE.ociManifest, ...SOME } },
        'about another manifest',
      ],
    ] as const) {
      it(`of ${what}`, () => {
        const failure = thrownBy(() => convertImage(manifestOf(manifest), TO_DOCKER));
        expect(failure.code).to.equal('image_not_convertible');
        expect(failure.message).to.contain(reason);
      });
    }

    it('of a Docker plugin to OCI', () => {
      const plugin = {
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.dockerManifest,
        config: { mediaType: 'application/vnd.docker.plugin.v1+json', ...SOME },
        layers: [],
      };
      expect(thrownBy(() => convertImage(manifestOf(plugin), TO_OCI)).message).to.contain('artifact');
    });
  });
});

function textsOf({ stored, children }: ImageTree): string[] {
  return [stored.bytes.toString(), ...children.flatMap(textsOf)];
}

function blobDigests({ stored: { content }, children }: ImageTree): string[] {
  const own =
    content.kind === 'manifest' ? [content.config, ...content.layers].map(({ digest }) => digest) : [];
  return [...own, ...children.flatMap(blobDigests)];
}
