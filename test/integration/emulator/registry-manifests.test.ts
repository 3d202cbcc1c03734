import { expect } from 'chai';
import { digestOf, type Digest } from '../../../src/oci/digest.js';
import { MANIFEST_LIMIT } from '../../../src/oci/manifest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { startEmulatorRegistry, type EmulatorRegistry } from '../../support/emulator-registry.js';
import { buildxIndex, index, multiPlatformIndex, ociImage } from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import { ask, putBlob, type Answer } from '../../support/registry-requests.js';

const { ociManifest, ociIndex, ociEmpty, dockerManifest } = MEDIA_TYPE;
const MISSING = digestOf('never pushed');

describe("Manifests of the emulator's registry", () => {
  let registry: EmulatorRegistry;
  let config: Digest;
  before(async () => {
    registry = await startEmulatorRegistry();
    config = await putBlob(registry, 'app', '{}');
  });
  after(() => registry.stop());

  /** An artifact, which has a config of two bytes and no layers. */
  function artifact(more: object = {}): string {
    return JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      config: { mediaType: ociEmpty, digest: config, size: 2 },
      layers: [],
      ...more,
    });
  }

  function put(reference: string, body: string | Buffer, contentType: string = ociManifest): Promise<Answer> {
    return ask(registry, 'PUT', `/v2/app/manifests/${reference}`, {
      body,
      headers: { 'content-type': contentType },
    });
  }

  function get(reference: string, method = 'GET'): Promise<Answer> {
    return ask(registry, method, `/v2/app/manifests/${reference}`);
  }

  describe('pushed', () => {
    it('by tag are pulled by tag and by digest, byte for byte', async () => {
      const body = artifact({ annotations: { 'with space': ' \u00e9 ' } }).replace(/,/g, ' ,\n');
      const { status, headers } = await put('v1', body);
      expect(status).to.equal(201);
      const digest = headers.get('docker-content-digest');
      expect(digest).to.equal(digestOf(body));
      for (const reference of ['v1', digest ?? '', headers.get('location')?.split('/').at(-1) ?? '']) {
        const got = await get(reference);
        expect(got.bytes.toString()).to.equal(body);
        expect(got.headers.get('content-type')).to.equal(ociManifest);
        expect(got.headers.get('docker-content-digest')).to.equal(digest);
      }
    });

    it('are told of by HEAD as GET would give them', async () => {
      const body = artifact({ annotations: { for: 'head' } });
      await put('head', body);
      const { status, headers, bytes } = await get('head', 'HEAD');
      expect([status, headers.get('content-length'), bytes.length]).to.deep.equal([
        200,
        String(body.length),
        0,
      ]);
      expect(headers.get('docker-content-digest')).to.equal(digestOf(body));
    });

    it('are answered 304 to who has them', async () => {
      const digest = (await put('etag', artifact())).headers.get('docker-content-digest') ?? '';
      const path = '/v2/app/manifests/etag';
      const unchanged = await ask(registry, 'GET', path, { headers: { 'if-none-match': `"${digest}"` } });
      expect([unchanged.status, unchanged.bytes.length]).to.deep.equal([304, 0]);
      const changed = await ask(registry, 'GET', path, { headers: { 'if-none-match': `"${MISSING}"` } });
      expect(changed.status).to.equal(200);
    });

    it('move a tag that is already there', async () => {
      await put('moving', artifact({ annotations: { n: '1' } }));
      const second = artifact({ annotations: { n: '2' } });
      await put('moving', second);
      expect((await get('moving')).bytes.toString()).to.equal(second);
    });

    it('tell tags apart by their capitals', async () => {
      const [upper, lower] = [
        artifact({ annotations: { case: 'upper' } }),
        artifact({ annotations: { case: 'lower' } }),
      ];
      await put('Case', upper);
      await put('case', lower);
      expect((await get('Case')).bytes.toString()).to.equal(upper);
      expect((await get('case')).bytes.toString()).to.equal(lower);
    });

    it('by a digest that is not theirs are refused, and not kept', async () => {
      const body = artifact({ annotations: { wrong: 'digest' } });
      const answer = await put(MISSING, body);
      expect([answer.status, answer.codes()]).to.deep.equal([400, ['DIGEST_INVALID']]);
      expect((await get(digestOf(body))).status).to.equal(404);
    });

    it('by a sha512 digest are kept by it', async () => {
      const body = artifact({ annotations: { by: 'sha512' } });
      const digest = digestOf(body, 'sha512');
      expect((await put(digest, body)).status).to.equal(201);
      expect((await get(digest)).headers.get('docker-content-digest')).to.equal(digest);
      expect((await get(digestOf(body))).status).to.equal(404);
    });

    it('whose blobs are not there are refused, with each of them', async () => {
      const layers = [MISSING, digestOf('neither')].map((digest) => ({
        mediaType: MEDIA_TYPE.ociLayer,
        digest,
        size: 1,
      }));
      const answer = await put('lacking', artifact({ layers }));
      expect(answer.status).to.equal(400);
      expect(answer.json()).to.deep.equal({
        errors: [MISSING, digestOf('neither')].map((detail) => ({
          code: 'MANIFEST_BLOB_UNKNOWN',
          message: 'blob unknown to registry',
          detail,
        })),
      });
      expect((await get('lacking')).status).to.equal(404);
    });

    it('whose layers are got from URLs elsewhere are taken', async () => {
      const layers = [
        { mediaType: MEDIA_TYPE.ociLayer, digest: MISSING, size: 1, urls: ['https://elsewhere.example/'] },
      ];
      expect((await put('elsewhere', artifact({ layers }))).status).to.equal(201);
    });

    it('as an index whose children are not there are refused, also when another repository has them', async () => {
      const image = await ociImage();
      await pushFixture({ url: registry.url, repository: 'elsewhere' }, 'v1', image);
      const { bytes } = index([image]);
      const answer = await put('no-child', bytes, ociIndex);
      expect([answer.status, answer.codes()]).to.deep.equal([400, ['MANIFEST_BLOB_UNKNOWN']]);
    });

    it('are refused when they are not what the Content-Type says', async () => {
      for (const contentType of [dockerManifest, ociIndex, 'application/json']) {
        const answer = await put('mismatch', artifact(), contentType);
        expect([answer.status, answer.codes()], contentType).to.deep.equal([400, ['MANIFEST_INVALID']]);
      }
      expect((await get('mismatch')).status).to.equal(404);
    });

    it('may be of 4 MiB, and no larger; who sends more is told so', async () => {
      const padding = (size: number): string => {
        const empty = artifact({ annotations: { padding: '' } });
        return artifact({ annotations: { padding: 'x'.repeat(size - empty.length) } });
      };
      expect((await put('large', padding(MANIFEST_LIMIT))).status).to.equal(201);
      for (const size of [MANIFEST_LIMIT + 1, 20_000_000]) {
        const answer = await put('too-large', padding(size));
        expect([answer.status, answer.codes()]).to.deep.equal([413, ['MANIFEST_INVALID']]);
      }
    });

    it('at once under one tag leave the tag on one of them, and all of them there', async () => {
      const bodies = Array.from({ length: 12 }, (_, n) => artifact({ annotations: { parallel: String(n) } }));
      const answers = await Promise.all(bodies.map((body) => put('contested', body)));
      expect(answers.map(({ status }) => status)).to.deep.equal(bodies.map(() => 201));
      expect(bodies).to.include((await get('contested')).bytes.toString());
      for (const body of bodies) expect((await get(digestOf(body))).bytes.toString()).to.equal(body);
    });

    it('as buildx makes them come back whole, index, image and provenance', async () => {
      for (const [tag, fixture] of [
        ['buildx', await buildxIndex()],
        ['buildx-artifact', await buildxIndex({ attestation: 'artifact' })],
        ['multi', await multiPlatformIndex()],
        ['list', await multiPlatformIndex('docker')],
      ] as const) {
        await pushFixture({ url: registry.url, repository: 'app' }, tag, fixture);
        for (const part of [fixture, ...fixture.children]) {
          const got = await get(part.digest);
          expect([got.headers.get('content-type'), digestOf(got.bytes)]).to.deep.equal([
            part.mediaType,
            part.digest,
          ]);
        }
        expect(digestOf((await get(tag)).bytes)).to.equal(fixture.digest);
      }
    });
  });

  describe('that are not there', () => {
    it('are MANIFEST_UNKNOWN, told apart by the detail: no such tag, no such digest', async () => {
      const tag = await get('nope');
      expect(tag.status).to.equal(404);
      expect(tag.json()).to.deep.equal({
        errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown', detail: { Tag: 'nope' } }],
      });
      const digest = await get(MISSING);
      expect(digest.json()).to.deep.equal({
        errors: [
          {
            code: 'MANIFEST_UNKNOWN',
            message: 'manifest unknown',
            detail: { Name: 'app', Revision: MISSING },
          },
        ],
      });
    });

    it('get no body with HEAD', async () => {
      const { status, bytes } = await get('nope', 'HEAD');
      expect([status, bytes.length]).to.deep.equal([404, 0]);
    });
  });

  describe('deleted', () => {
    it('by tag lose the tag alone', async () => {
      const body = artifact({ annotations: { lose: 'tag' } });
      await put('lost', body);
      await put('stays', body);
      expect((await get('lost', 'DELETE')).status).to.equal(202);
      expect((await get('lost')).status).to.equal(404);
      expect((await get('stays')).status).to.equal(200);
      expect((await get('lost', 'DELETE')).codes()).to.deep.equal(['MANIFEST_UNKNOWN']);
    });

    it('by digest lose all of their tags, and no other', async () => {
      const body = artifact({ annotations: { lose: 'all' } });
      await put('all-1', body);
      await put('all-2', body);
      await put('other', artifact({ annotations: { other: 'one' } }));
      expect((await get(digestOf(body), 'DELETE')).status).to.equal(202);
      for (const reference of ['all-1', 'all-2', digestOf(body)])
        expect((await get(reference)).status).to.equal(404);
      expect((await get('other')).status).to.equal(200);
      expect((await get(digestOf(body), 'DELETE')).status).to.equal(404);
    });

    it('while the same are pushed never leave a tag to nothing', async () => {
      const body = artifact({ annotations: { raced: 'yes' } });
      const digest = digestOf(body);
      for (let round = 0; round < 15; round++) {
        await Promise.all([
          put('raced', body),
          get(digest, 'DELETE'),
          put('raced', body),
          get(digest, 'DELETE'),
        ]);
        const { tags } = (await ask(registry, 'GET', '/v2/app/tags/list')).json() as { tags: string[] };
        expect((await get('raced')).status).to.equal(tags.includes('raced') ? 200 : 404);
      }
    });
  });

  describe('with a subject', () => {
    const subject = { mediaType: ociManifest, digest: digestOf('a subject not pushed yet'), size: 5 };
    const annotations = { 'org.example.kind': 'signature' };

    async function referrers(digest: string, query = ''): Promise<Answer> {
      return ask(registry, 'GET', `/v2/app/referrers/${digest}${query}`);
    }

    it('are told that the registry keeps the list, and are in it with type and annotations', async () => {
      const body = artifact({ artifactType: 'text/signature', subject, annotations });
      const { status, headers } = await put(digestOf(body), body);
      expect([status, headers.get('oci-subject')]).to.deep.equal([201, subject.digest]);
      const list = await referrers(subject.digest);
      expect([list.status, list.headers.get('content-type')]).to.deep.equal([200, ociIndex]);
      expect(list.json()).to.deep.equal({
        schemaVersion: 2,
        mediaType: ociIndex,
        manifests: [
          {
            mediaType: ociManifest,
            digest: digestOf(body),
            size: body.length,
            artifactType: 'text/signature',
            annotations,
          },
        ],
      });
    });

    it('are filtered by artifact type, the config standing in for a missing one', async () => {
      const other = artifact({ subject, annotations: { other: 'type' } });
      await put(digestOf(other), other);
      const filtered = await referrers(subject.digest, `?artifactType=${encodeURIComponent(ociEmpty)}`);
      expect(filtered.headers.get('oci-filters-applied')).to.equal('artifactType');
      expect(
        (filtered.json() as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest),
      ).to.deep.equal([digestOf(other)]);
      const none = await referrers(subject.digest, '?artifactType=text/none');
      expect((none.json() as { manifests: unknown[] }).manifests).to.deep.equal([]);
    });

    it('as an index without artifact type are listed without', async () => {
      const body = JSON.stringify({
        schemaVersion: 2,
        mediaType: ociIndex,
        manifests: [],
        subject: { ...subject, digest: MISSING },
      });
      await put(digestOf(body), body, ociIndex);
      expect((await referrers(MISSING)).json()).to.deep.include({
        manifests: [{ mediaType: ociIndex, digest: digestOf(body), size: body.length }],
      });
    });

    it('leave the list when they are deleted', async () => {
      const target = { ...subject, digest: digestOf('another subject') };
      const body = artifact({ subject: target });
      await put(digestOf(body), body);
      await get(digestOf(body), 'DELETE');
      expect((await referrers(target.digest)).json()).to.deep.include({ manifests: [] });
    });

    it('are listed on as many pages as clients can take, each once', async () => {
      const target = { ...subject, digest: digestOf('a much referred subject') };
      const bodies = Array.from({ length: 5 }, (_, n) =>
        artifact({ subject: target, annotations: { n: `${n}`.repeat(1_500_000) } }),
      );
      await Promise.all(bodies.map((body) => put(digestOf(body), body)));
      const seen: string[] = [];
      let pages = 0;
      for (
        let path: string | undefined =
          `/v2/app/referrers/${target.digest}?artifactType=${encodeURIComponent(ociEmpty)}`;
        path !== undefined;
        pages++
      ) {
        const page: Answer = await ask(registry, 'GET', path);
        expect(page.bytes.length).to.be.at.most(MANIFEST_LIMIT);
        seen.push(
          ...(page.json() as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest),
        );
        path = /^<([^>]+)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1];
      }
      expect(pages).to.be.greaterThan(1);
      expect(seen.sort()).to.deep.equal(bodies.map((body) => digestOf(body)).sort());
    });

    it('that nobody pushed are an empty list, also in an unknown repository', async () => {
      const list = await ask(registry, 'GET', `/v2/never/pushed/referrers/${MISSING}`);
      expect(list.status).to.equal(200);
      expect(list.json()).to.deep.equal({ schemaVersion: 2, mediaType: ociIndex, manifests: [] });
      expect((await referrers('sha256:abc')).status).to.equal(400);
    });
  });
});
