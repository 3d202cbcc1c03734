import { expect } from 'chai';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { startEmulatorRegistry, type EmulatorRegistry } from '../../support/emulator-registry.js';
import { ask, putBlob } from '../../support/registry-requests.js';

describe("Lists of the emulator's registry", () => {
  let registry: EmulatorRegistry;
  before(async () => {
    registry = await startEmulatorRegistry();
  });
  after(() => registry.stop());

  async function tag(repository: string, ...tags: readonly string[]): Promise<void> {
    const { ociManifest, ociEmpty } = MEDIA_TYPE;
    const config = { mediaType: ociEmpty, digest: await putBlob(registry, repository, '{}'), size: 2 };
    const body = JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [] });
    for (const name of tags) {
      const path = `/v2/${repository}/manifests/${name}`;
      const { status } = await ask(registry, 'PUT', path, { body, headers: { 'content-type': ociManifest } });
      expect(status).to.equal(201);
    }
  }

  /** Follows the links from page to page. */
  async function pages(path: string, key: 'tags' | 'repositories'): Promise<readonly (readonly string[])[]> {
    const all: (readonly string[])[] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const answer = await ask(registry, 'GET', next);
      expect(answer.status).to.equal(200);
      all.push((answer.json() as Record<typeof key, readonly string[]>)[key]);
      next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    return all;
  }

  describe('of tags', () => {
    before(() => tag('team/app', 'b', 'a', 'B', 'v1.10', 'v1.9', '_x', 'A'));
    const sorted = ['A', 'B', '_x', 'a', 'b', 'v1.10', 'v1.9'];

    it('are whole and in the order of their bytes', async () => {
      const { json } = await ask(registry, 'GET', '/v2/team/app/tags/list');
      expect(json()).to.deep.equal({ name: 'team/app', tags: sorted });
    });

    it('come in pages that link to the next', async () => {
      expect(await pages('/v2/team/app/tags/list?n=3', 'tags')).to.deep.equal([
        sorted.slice(0, 3),
        sorted.slice(3, 6),
        sorted.slice(6),
      ]);
    });

    it('go on behind `last`, be it there or not, with or without `n`', async () => {
      expect(await pages('/v2/team/app/tags/list?last=a', 'tags')).to.deep.equal([['b', 'v1.10', 'v1.9']]);
      expect(await pages('/v2/team/app/tags/list?last=c&n=5', 'tags')).to.deep.equal([['v1.10', 'v1.9']]);
    });

    it('are empty for n=0, with no link', async () => {
      expect(await pages('/v2/team/app/tags/list?n=0', 'tags')).to.deep.equal([[]]);
    });

    it('are refused for an `n` that is no number', async () => {
      const { status, codes } = await ask(registry, 'GET', '/v2/team/app/tags/list?n=many');
      expect([status, codes()]).to.deep.equal([400, ['UNSUPPORTED']]);
    });

    it('are empty for a repository without tags, and NAME_UNKNOWN without a repository', async () => {
      await putBlob(registry, 'only/blobs', 'x');
      expect((await ask(registry, 'GET', '/v2/only/blobs/tags/list')).json()).to.deep.equal({
        name: 'only/blobs',
        tags: [],
      });
      for (const name of ['never', 'team', 'only']) {
        const unknown = await ask(registry, 'GET', `/v2/${name}/tags/list`);
        expect(unknown.status, name).to.equal(404);
        expect(unknown.json()).to.deep.equal({
          errors: [
            { code: 'NAME_UNKNOWN', message: 'repository name not known to registry', detail: { name } },
          ],
        });
      }
    });
  });

  describe('of repositories', () => {
    before(async () => {
      for (const name of ['a', 'a/b', 'a-b', 'z/y/x/w', 'blobs/uploads']) await tag(name, 'v1');
    });
    const sorted = ['a', 'a-b', 'a/b', 'blobs/uploads', 'only/blobs', 'team/app', 'z/y/x/w'];

    it('hold those inside of others, and no mere folder', async () => {
      expect(await pages('/v2/_catalog', 'repositories')).to.deep.equal([sorted]);
    });

    it('come in pages that link to the next', async () => {
      expect(await pages('/v2/_catalog?n=4', 'repositories')).to.deep.equal([
        sorted.slice(0, 4),
        sorted.slice(4),
      ]);
    });
  });

  it('can only be read', async () => {
    for (const path of ['/v2/_catalog', '/v2/team/app/tags/list', '/v2/']) {
      const { status, headers, codes } = await ask(registry, 'DELETE', path);
      expect([status, headers.get('allow'), codes()], path).to.deep.equal([
        405,
        'GET, HEAD',
        ['UNSUPPORTED'],
      ]);
    }
  });
});
