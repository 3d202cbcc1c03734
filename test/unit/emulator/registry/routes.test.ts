import { expect } from 'chai';
import fc from 'fast-check';
import { ProtocolError } from '../../../../src/emulator/registry/protocol-error.js';
import { parseRoute } from '../../../../src/emulator/registry/routes.js';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;
const ID = '0b6ad341-a3c4-4a6d-9d3a-7f2b8a6a2f11';

function refusal(path: string): { readonly code: string; readonly status: number } {
  try {
    parseRoute(path);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const { errors } = JSON.parse(error.body) as { errors: [{ code: string }] };
    return { code: errors[0].code, status: error.status };
  }
  throw new Error(`${path} was taken`);
}

describe('Paths of the registry', () => {
  const cases: readonly [string, ReturnType<typeof parseRoute>][] = [
    ['/v2/', { kind: 'base' }],
    ['/v2', { kind: 'base' }],
    ['/v2/_catalog', { kind: 'catalog' }],
    ['/v2/a/tags/list', { kind: 'tags', name: 'a' as never }],
    [
      '/v2/a/b/c/manifests/v1',
      { kind: 'manifest', name: 'a/b/c' as never, reference: { tag: 'v1' as never } },
    ],
    [
      `/v2/a/manifests/${DIGEST}`,
      { kind: 'manifest', name: 'a' as never, reference: { digest: DIGEST as never } },
    ],
    [
      `/v2/a/manifests/sha256%3A${HEX}`,
      { kind: 'manifest', name: 'a' as never, reference: { digest: DIGEST as never } },
    ],
    [`/v2/a/blobs/${DIGEST}`, { kind: 'blob', name: 'a' as never, digest: DIGEST as never }],
    [`/v2/a/referrers/${DIGEST}`, { kind: 'referrers', name: 'a' as never, digest: DIGEST as never }],
    ['/v2/a/blobs/uploads/', { kind: 'uploads', name: 'a' as never }],
    ['/v2/a/blobs/uploads', { kind: 'uploads', name: 'a' as never }],
    [`/v2/a/blobs/uploads/${ID}`, { kind: 'upload', name: 'a' as never, id: ID }],
    // Names made of the endpoints' own words.
    [
      '/v2/blobs/uploads/manifests/v1',
      { kind: 'manifest', name: 'blobs/uploads' as never, reference: { tag: 'v1' as never } },
    ],
    ['/v2/manifests/tags/tags/list', { kind: 'tags', name: 'manifests/tags' as never }],
    ['/v2/a/manifests/list', { kind: 'manifest', name: 'a' as never, reference: { tag: 'list' as never } }],
  ];
  for (const [path, route] of cases) {
    it(`${path.replaceAll(HEX, 'HEX')} is ${route.kind}`, () => {
      expect(parseRoute(path)).to.deep.equal(route);
    });
  }

  const refused: readonly [string, string, number][] = [
    ['/', 'UNSUPPORTED', 404],
    ['/etc/passwd', 'UNSUPPORTED', 404],
    ['/v2/a', 'UNSUPPORTED', 404],
    ['/v2/a/tags/list/', 'UNSUPPORTED', 404],
    ['/v2/%/tags/list', 'UNSUPPORTED', 404],
    ['/v2/../tags/list', 'NAME_INVALID', 400],
    ['/v2/a/../../../etc/tags/list', 'NAME_INVALID', 400],
    ['/v2/a%2f..%2f..%2fetc/tags/list', 'NAME_INVALID', 400],
    ['/v2/%2e%2e/tags/list', 'NAME_INVALID', 400],
    ['/v2//tags/list', 'UNSUPPORTED', 404],
    ['/v2/a//b/tags/list', 'NAME_INVALID', 400],
    ['/v2/A/tags/list', 'NAME_INVALID', 400],
    ['/v2/_blobs/tags/list', 'NAME_INVALID', 400],
    ['/v2/a/_tags/tags/list', 'NAME_INVALID', 400],
    ['/v2/a\\b/tags/list', 'NAME_INVALID', 400],
    ['/v2/a%00/tags/list', 'NAME_INVALID', 400],
    ['/v2/a%0a/tags/list', 'UNSUPPORTED', 404],
    [`/v2/${'a'.repeat(256)}/tags/list`, 'NAME_INVALID', 400],
    ['/v2/a/manifests/..', 'MANIFEST_INVALID', 400],
    ['/v2/a/manifests/%2e%2e%2fx', 'UNSUPPORTED', 404],
    ['/v2/a/manifests/-v1', 'MANIFEST_INVALID', 400],
    [`/v2/a/manifests/${'v'.repeat(129)}`, 'MANIFEST_INVALID', 400],
    ['/v2/a/manifests/sha256:abc', 'DIGEST_INVALID', 400],
    [`/v2/a/blobs/SHA256:${HEX}`, 'DIGEST_INVALID', 400],
    [`/v2/a/blobs/sha256:${'A'.repeat(64)}`, 'DIGEST_INVALID', 400],
    [`/v2/a/blobs/sha256:..%2f..%2f`, 'UNSUPPORTED', 404],
    [`/v2/a/blobs/md5:${'a'.repeat(32)}`, 'DIGEST_INVALID', 400],
    [`/v2/a/blobs/${DIGEST}x`, 'DIGEST_INVALID', 400],
    ['/v2/a/referrers/x', 'DIGEST_INVALID', 400],
    ['/v2/a/blobs/uploads/..', 'BLOB_UPLOAD_UNKNOWN', 404],
    [`/v2/a/blobs/uploads/${ID}%2f..%2fx`, 'UNSUPPORTED', 404],
  ];
  for (const [path, code, status] of refused) {
    it(`${path.length > 80 ? `${path.slice(0, 40)}...` : path} is refused: ${status} ${code}`, () => {
      expect(refusal(path)).to.deep.equal({ code, status });
    });
  }

  it('of any form are answered or refused, and what is answered holds no way out of its folder', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '/',
        '%2e%2e',
        '%2f',
        '\\',
        'blobs',
        'uploads',
        'manifests',
        'tags',
        'list',
        '_tags',
        DIGEST,
      ),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        let route;
        try {
          route = parseRoute(`/v2/${pieces.join('/')}`);
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolError);
          return;
        }
        if ('name' in route)
          expect(route.name.split('/')).to.satisfy((parts: string[]) =>
            parts.every((part) => /^[a-z0-9]/.test(part)),
          );
      }),
      { numRuns: 2000 },
    );
  });

  it('that are hostile are refused quickly', () => {
    const started = performance.now();
    for (const unit of ['a-', 'a__', 'a/', '-', '/blobs', '/manifests/', '%2f']) {
      refusal(`/v2/${unit.repeat(100_000 / unit.length)}!/tags/list`);
    }
    expect(performance.now() - started).to.be.lessThan(350);
  });
});
