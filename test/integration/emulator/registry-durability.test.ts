import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { DeployerError } from '../../../src/lib/errors.js';
import { digestOf, isDigest } from '../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import {
  startEmulatorRegistry,
  startEmulatorRegistryProcess,
  type EmulatorRegistryProcess,
} from '../../support/emulator-registry.js';
import { eventually } from '../../support/eventually.js';
import { ask, beginUpload, putBlob } from '../../support/registry-requests.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

const { ociManifest, ociEmpty } = MEDIA_TYPE;

describe("The data folder of the emulator's registry", () => {
  let folder: TempFolder;
  let dataDir: string;
  beforeEach(async () => {
    folder = await makeTempFolder('durability');
    dataDir = join(folder.path, 'data');
  });
  afterEach(() => folder.remove());

  describe('of a process that is killed in the middle of pushes', () => {
    let registry: EmulatorRegistryProcess | undefined;
    afterEach(() => registry?.stop());

    it('holds no corrupt content, and all that was answered for', async function () {
      this.timeout(300_000);
      const promised = new Map<string, string>();
      for (let round = 0; round < 8; round++) {
        registry = await startEmulatorRegistryProcess(dataDir);
        const pushes = Array.from({ length: 6 }, (_, at) =>
          pushUntilItEnds(registry?.url ?? '', at, promised),
        );
        // However slow the machine: something has been promised, and more is under way.
        await eventually(() => {
          expect(promised.size).to.be.greaterThan(3 * (round + 1));
        }, 30_000);
        await delay(round * 20);
        await registry.kill();
        await Promise.all(pushes);
        await expectSound(dataDir);
      }
      expect(promised.size, 'tags that were answered 201').to.be.greaterThan(20);
      registry = await startEmulatorRegistryProcess(dataDir);
      for (const [path, body] of promised) {
        const { status, bytes } = await ask(registry, 'GET', path);
        expect([status, bytes.toString()], path).to.deep.equal([200, body]);
        const { config } = JSON.parse(body) as { config: { digest: string } };
        const blob = await ask(registry, 'GET', path.replace(/manifests.*/, `blobs/${config.digest}`));
        expect(digestOf(blob.bytes)).to.equal(config.digest);
      }
    });

    it('lets an upload go on from where it was', async () => {
      registry = await startEmulatorRegistryProcess(dataDir);
      const bytes = randomBytes(500_000);
      const location = await beginUpload(registry, 'app');
      await ask(registry, 'PATCH', location, { body: bytes.subarray(0, 200_000) });
      await registry.kill();
      registry = await startEmulatorRegistryProcess(dataDir);
      const status = await ask(registry, 'GET', location);
      expect([status.status, status.headers.get('range')]).to.deep.equal([204, '0-199999']);
      const put = await ask(registry, 'PUT', `${location}?digest=${digestOf(bytes)}`, {
        body: bytes.subarray(200_000),
        headers: { 'content-range': '200000-499999' },
      });
      expect(put.status).to.equal(201);
      const pulled = await ask(registry, 'GET', `/v2/app/blobs/${digestOf(bytes)}`);
      expect(pulled.bytes.equals(bytes)).to.equal(true);
    });
  });

  describe('taken up by the next registry', () => {
    it('shows all that was pushed', async () => {
      const first = await startEmulatorRegistry({ dataDir });
      const digest = await putBlob(first, 'team/app', 'kept');
      await first.stop();
      await using second = await startEmulatorRegistry({ dataDir });
      expect((await ask(second, 'GET', `/v2/team/app/blobs/${digest}`)).bytes.toString()).to.equal('kept');
    });

    it('is freed of content that no repository has any more, and of nothing else', async () => {
      const first = await startEmulatorRegistry({ dataDir });
      const deleted = await putBlob(first, 'a', 'deleted everywhere');
      const shared = await putBlob(first, 'a', 'deleted in one place');
      await putBlob(first, 'b/c', 'deleted in one place');
      for (const digest of [deleted, shared]) await ask(first, 'DELETE', `/v2/a/blobs/${digest}`);
      expect(await contents(dataDir)).to.have.length(2);
      await first.stop();
      await using second = await startEmulatorRegistry({ dataDir });
      expect(await contents(dataDir)).to.deep.equal([shared]);
      expect((await ask(second, 'GET', `/v2/b/c/blobs/${shared}`)).status).to.equal(200);
    });

    it('loses the uploads that brought nothing for a day, and no others', async () => {
      const first = await startEmulatorRegistry({ dataDir });
      const [stale, fresh] = [await beginUpload(first, 'app'), await beginUpload(first, 'app')];
      for (const location of [stale, fresh]) await ask(first, 'PATCH', location, { body: 'some' });
      await first.stop();
      const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
      const id = stale.split('/').at(-1) ?? '';
      await utimes(join(dataDir, 'uploads', id, 'data'), twoDaysAgo, twoDaysAgo);
      await using second = await startEmulatorRegistry({ dataDir });
      expect((await ask(second, 'GET', stale)).status).to.equal(404);
      expect((await ask(second, 'GET', fresh)).headers.get('range')).to.equal('0-3');
      expect(await readdir(join(dataDir, 'uploads'))).not.to.include(id);
    });

    it('is cleared of files that were on their way', async () => {
      await (await startEmulatorRegistry({ dataDir })).stop();
      await writeFile(join(dataDir, 'temp', 'half'), 'half a manif');
      await using _second = await startEmulatorRegistry({ dataDir });
      expect(await readdir(join(dataDir, 'temp'))).to.deep.equal([]);
    });
  });

  describe('that another process has', () => {
    it('is refused, by name and with the mend, and is free again after', async () => {
      const registry = await startEmulatorRegistryProcess(dataDir);
      try {
        const refusal = await refusalOf(startEmulatorRegistry({ dataDir }));
        expect(refusal.code).to.equal('usage');
        expect(refusal.message).to.include(`in use by process ${registry.pid}`);
        expect(refusal.suggestions.join()).to.include(join(dataDir, 'lock'));
      } finally {
        await registry.stop();
      }
      await (await startEmulatorRegistry({ dataDir })).stop();
      expect(await readdir(dataDir)).not.to.include('lock');
    });
  });

  describe('that is something else', () => {
    it('is refused, and nothing in it is changed', async () => {
      await mkdir(join(dataDir, 'blobs', 'sha256', 'ab'), { recursive: true });
      const file = join(dataDir, 'blobs', 'sha256', 'ab', `ab${'0'.repeat(62)}`);
      await writeFile(file, 'precious');
      const refusal = await refusalOf(startEmulatorRegistry({ dataDir }));
      expect([refusal.code, refusal.message]).to.deep.equal([
        'usage',
        `data folder ${dataDir} is not empty, and not a registry's`,
      ]);
      expect(await readFile(file, 'utf8')).to.equal('precious');
      expect(await readdir(dataDir)).to.deep.equal(['blobs']);
    });

    it('or of a version to come is refused', async () => {
      await (await startEmulatorRegistry({ dataDir })).stop();
      await writeFile(join(dataDir, 'format'), '2\n');
      expect((await refusalOf(startEmulatorRegistry({ dataDir }))).message).to.match(/another version/);
    });

    it('only in some files that a desktop leaves does not matter', async () => {
      const first = await startEmulatorRegistry({ dataDir });
      const digest = await putBlob(first, 'app', 'kept');
      await first.stop();
      for (const folder of [
        '.',
        'blobs',
        'blobs/sha256',
        'repositories',
        'repositories/app',
        'repositories/app/_blobs',
        'uploads',
      ]) {
        await writeFile(join(dataDir, folder, '.DS_Store'), '');
      }
      await using second = await startEmulatorRegistry({ dataDir });
      expect((await ask(second, 'HEAD', `/v2/app/blobs/${digest}`)).status).to.equal(200);
      expect((await ask(second, 'GET', '/v2/_catalog')).json()).to.deep.equal({ repositories: ['app'] });
    });
  });
});

async function refusalOf(start: Promise<unknown>): Promise<DeployerError> {
  try {
    await start;
  } catch (error) {
    if (error instanceof DeployerError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

/** Pushes small images until the registry is gone; keeps path and manifest of each that it answered 201 for. */
async function pushUntilItEnds(url: string, at: number, promised: Map<string, string>): Promise<void> {
  const repository = `crash/r${at % 2}`;
  for (;;) {
    try {
      const bytes = randomBytes(40_000);
      const digest = await putBlob({ url }, repository, bytes);
      const config = { mediaType: ociEmpty, digest, size: bytes.length };
      // Long enough to be caught half-written.
      const annotations = { padding: 'x'.repeat(300_000) };
      const body = JSON.stringify({
        schemaVersion: 2,
        mediaType: ociManifest,
        config,
        layers: [],
        annotations,
      });
      const path = `/v2/${repository}/manifests/t${digest.slice(7, 19)}`;
      const asked = { body, headers: { 'content-type': ociManifest } };
      const { status } = await ask({ url }, 'PUT', path, asked);
      if (status !== 201) throw new Error(`PUT ${path} answered ${status}`);
      promised.set(path, body);
      // One tag that all of them fight for.
      await ask({ url }, 'PUT', `/v2/${repository}/manifests/latest`, asked);
    } catch (error) {
      // fetch's error when the connection is refused or breaks: the registry was killed.
      if (error instanceof TypeError) return;
      throw error;
    }
  }
}

/** No registry runs: content has its digest, links have content, tags have manifests. */
async function expectSound(dataDir: string): Promise<void> {
  for (const digest of await contents(dataDir)) {
    expect(digestOf(await readFile(contentFile(dataDir, digest))), 'content').to.equal(digest);
  }
  const files = await readdir(join(dataDir, 'repositories'), { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const links = file.parentPath.split('/').at(-2) ?? '';
    if (links === '_blobs' || links === '_manifests') await stat(contentFile(dataDir, `sha256:${file.name}`));
    if (links === '_manifests') {
      expect(await readFile(join(file.parentPath, file.name), 'utf8'), 'media type').to.equal(ociManifest);
    }
    if (file.parentPath.endsWith('/_tags')) {
      const digest = await readFile(join(file.parentPath, file.name), 'utf8');
      expect(digest, 'tag').to.satisfy(isDigest);
      await stat(join(file.parentPath, '..', '_manifests', 'sha256', digest.slice(7)));
    }
  }
}

function contentFile(dataDir: string, digest: string): string {
  return join(dataDir, 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7));
}

/** The digests that the names of the stored contents stand for. */
async function contents(dataDir: string): Promise<readonly string[]> {
  const files = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).map(({ name }) => `sha256:${name}`);
}
