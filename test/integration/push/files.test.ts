import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { copyLines } from '../../../src/ui/copy-text.js';
import { makeCopier, type Copier } from '../../support/copying.js';
import { failureOf } from '../../support/failure.js';
import { startEmulatorRegistry, type EmulatorRegistry } from '../../support/emulator-registry.js';
import { startFaultyProxy } from '../../support/faulty-proxy.js';
import {
  buildxIndex,
  LINUX_AMD64,
  LINUX_ARM64,
  multiPlatformIndex,
  ociImage,
  randomImage,
} from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { pushFixture } from '../../support/push-fixture.js';

describe('Copying to files', () => {
  let registry: EmulatorRegistry;
  let copier: Copier;
  before(async () => {
    registry = await startEmulatorRegistry();
  });
  beforeEach(async () => {
    copier = await makeCopier();
  });
  afterEach(() => copier[Symbol.asyncDispose]());
  after(() => registry.stop());
  const folder = (leaf: string): string => join(copier.folder, leaf);
  const filesIn = async (leaf: string): Promise<string[]> =>
    (await readdir(folder(leaf), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort();

  describe('a layout', () => {
    it('gets several images side by side; what they share is written once', async () => {
      const [first, second] = [await ociImage({ message: '1' }), await ociImage({ message: '2' })];
      await writeLayout(folder('in'), { one: first, two: second });
      await copier.copy(`oci:${folder('in')}:one`, `oci:${folder('out')}:a`);
      const result = await copier.copy(`oci:${folder('in')}:two`, `oci:${folder('out')}:b`);
      expect(result.blobsSkipped, 'the base layer').to.equal(1);
      expect((await copier.copy(`oci:${folder('out')}:a`, `oci:${folder('again')}`)).digest).to.equal(
        first.digest,
      );
      expect((await copier.copy(`oci:${folder('out')}:b`, `oci:${folder('again')}:b`)).digest).to.equal(
        second.digest,
      );
    });

    it('is the same again after the same copy, and says so', async () => {
      await writeLayout(folder('in'), { v1: await buildxIndex() });
      await copier.copy(`oci:${folder('in')}`, `oci:${folder('out')}:v1`);
      const before = await readFile(folder('out/index.json'), 'utf8');
      expect(await copier.copy(`oci:${folder('in')}`, `oci:${folder('out')}:v1`)).to.include({
        ...{ unchanged: true, bytesSent: 0, blobsSkipped: 5 },
      });
      expect(await readFile(folder('out/index.json'), 'utf8')).to.equal(before);
    });

    it('gets a file again that was cut off there', async () => {
      const image = randomImage([50_000]);
      await writeLayout(folder('in'), { v1: image });
      await copier.copy(`oci:${folder('in')}`, `oci:${folder('out')}:v1`);
      const layer = folder(`out/blobs/${(image.blobs[1]?.digest ?? '').replace(':', '/')}`);
      await writeFile(layer, 'short');
      // Under another name: under its own it is there, as far as the manifest tells.
      const manifest = folder(`out/blobs/${image.digest.replace(':', '/')}`);
      await rm(manifest);
      await copier.copy(`oci:${folder('in')}`, `oci:${folder('out')}:v2`);
      expect((await stat(layer)).size).to.equal(50_000);
    });

    it('is not made of a folder that holds something else, of which nothing is touched', async () => {
      await mkdir(folder('mine'));
      await writeFile(folder('mine/thesis.txt'), 'do not touch');
      await writeLayout(folder('in'), { v1: await ociImage() });
      const failure = await failureOf(() => copier.copy(`oci:${folder('in')}`, `oci:${folder('mine')}`));
      expect(failure).to.include({ code: 'usage', exit: 2 });
      expect(await filesIn('mine')).to.deep.equal(['thesis.txt']);
    });

    it('keeps what it had when a copy into it breaks: no half file, no name', async () => {
      const image = randomImage([2_000_000, 2_000_000]);
      await pushFixture({ url: registry.url, repository: 'breaks' }, 'v1', image);
      await writeLayout(folder('out'), { old: await ociImage() });
      const before = await filesIn('out');
      const index = await readFile(folder('out/index.json'), 'utf8');
      await using proxy = await startFaultyProxy(registry, ({ url }) =>
        url.includes(image.blobs[2]?.digest ?? '') ? { kind: 'cut-answer', afterBytes: 30_000 } : undefined,
      );
      const failure = await failureOf(() =>
        copier.copy(`${proxy.host}/breaks:v1`, `oci:${folder('out')}:new`),
      );
      expect(failure.code).to.equal('connection_lost');
      expect(await readFile(folder('out/index.json'), 'utf8')).to.equal(index);
      const whole = image.blobs.map(({ digest }) => digest.slice(7));
      expect(
        (await filesIn('out')).filter((file) => !before.includes(file) && !whole.includes(file)),
      ).to.deep.equal([]);
    });
  });

  it('a new layout that a copy does not come to the end of leaves nothing that was not there', async () => {
    const image = randomImage([100_000, 200_000]);
    await pushFixture({ url: registry.url, repository: 'never' }, 'v1', image);
    await using proxy = await startFaultyProxy(registry, ({ url }) =>
      url.includes(image.blobs[2]?.digest ?? '') ? { kind: 'answer', status: 404 } : undefined,
    );
    const from = `${proxy.host}/never:v1`;
    const before = await readdir(copier.folder);
    await failureOf(() => copier.copy(from, `oci:${folder('new/deep/layout')}:v1`));
    await failureOf(() => copier.copy(`${registry.host}/never:nowhere`, `oci:${folder('new')}`));
    expect(await readdir(copier.folder)).to.deep.equal(before);
    await mkdir(folder('empty'));
    await failureOf(() => copier.copy(from, `oci:${folder('empty')}:v1`));
    expect(await readdir(folder('empty'))).to.deep.equal([]);
    // What is not the copy's own stays, and what it lies in.
    await mkdir(folder('shared'));
    const failing = copier.copy(from, `oci:${folder('shared/layout')}:v1`);
    await writeFile(folder('shared/note.txt'), 'mine');
    await failureOf(() => failing);
    expect(await readdir(folder('shared'))).to.deep.equal(['note.txt']);
  });

  describe('an archive', () => {
    it('holds one image: of several platforms one must be said', async () => {
      const image = await multiPlatformIndex();
      await writeLayout(folder('in'), { v1: image });
      const failure = await failureOf(() =>
        copier.copy(`oci:${folder('in')}`, `docker-archive:${folder('out.tar')}`),
      );
      expect(failure.suggestions.join()).to.contain('--platform linux/amd64');
      expect(await readdir(copier.folder)).to.not.include('out.tar');
      const arm = await copier.copy(`oci:${folder('in')}`, `docker-archive:${folder('out.tar')}`, {
        platform: LINUX_ARM64,
      });
      expect(arm.digest).to.equal(image.children[1]?.digest);
    });

    it('of an image and its attestation holds the image, which is pushed from there as it was', async () => {
      const image = await buildxIndex();
      await writeLayout(folder('in'), { v1: image });
      await copier.copy(`oci:${folder('in')}`, `docker-archive:${folder('out.tar')}`);
      const result = await copier.copy(
        `docker-archive:${folder('out.tar')}`,
        `${registry.host}/from-archive:v1`,
        {
          platform: LINUX_AMD64,
        },
      );
      expect(result.digest).to.equal(image.children[0]?.digest);
    });

    it('keeps the file that was there when a copy breaks, and leaves no other', async () => {
      const image = randomImage([2_000_000]);
      await pushFixture({ url: registry.url, repository: 'breaks-tar' }, 'v1', image);
      await writeLayout(folder('old'), { v1: await ociImage() });
      await copier.copy(`oci:${folder('old')}`, `docker-archive:${folder('out.tar')}`);
      const before = await readFile(folder('out.tar'));
      await using proxy = await startFaultyProxy(registry, ({ url }) =>
        url.includes(image.blobs[1]?.digest ?? '') ? { kind: 'answer', status: 404 } : undefined,
      );
      await failureOf(() =>
        copier.copy(`${proxy.host}/breaks-tar:v1`, `docker-archive:${folder('out.tar')}`),
      );
      expect((await readFile(folder('out.tar'))).equals(before)).to.equal(true);
      expect((await readdir(copier.folder)).filter((file) => file.includes('.part'))).to.deep.equal([]);
    });

    it('in a folder that is not there is refused, and the folder named', async () => {
      await writeLayout(folder('in'), { v1: await ociImage() });
      const failure = await failureOf(() =>
        copier.copy(`oci:${folder('in')}`, `docker-archive:${folder('nowhere/out.tar')}`),
      );
      expect(failure).to.include({ code: 'push_failed', exit: 7 });
      expect(failure.message).to.contain(folder('nowhere/out.tar')).and.contain('is not there');
      expect(failure.suggestions).to.deep.equal([`make the folder first: mkdir -p ${folder('nowhere')}`]);
    });

    it('of one platform of an index has a digest of its own, and says of which image it is', async () => {
      const image = await multiPlatformIndex();
      await writeLayout(folder('in'), { v1: image });
      const result = await copier.copy(`oci:${folder('in')}`, `docker-archive:${folder('out.tar')}`, {
        platform: LINUX_AMD64,
      });
      expect(result).to.include({ digest: image.children[0]?.digest, sourceDigest: image.digest });
      expect(copyLines(result).join('\n')).to.contain(`source  ${image.digest}`);
      const whole = await copier.copy(`oci:${folder('in')}`, `oci:${folder('out')}`);
      expect(whole).to.not.have.property('sourceDigest');
    });
  });

  it('from what is none of them says which it is, and what to write instead', async () => {
    await writeFile(folder('text.txt'), 'hello');
    const mends: Readonly<Record<string, RegExp>> = {
      'oci:text.txt': /it is no folder.*docker-archive:.*text\.txt/,
      'oci:nothere': /it is not there.*oci:DIR/,
      'docker-archive:nodir/x.tar': /it is not there.*docker-archive:FILE/,
      'docker-archive:text.txt/x.tar': /a file, not a folder.*docker-archive:FILE/,
    };
    for (const [source, said] of Object.entries(mends)) {
      const [scheme, path] = source.split(':') as [string, string];
      const failure = await failureOf(() =>
        copier.copy(`${scheme}:${folder(path)}`, `oci:${folder('never')}`),
      );
      expect(failure, source).to.include({ code: 'image_file_not_found', exit: 3 });
      expect(`${failure.message} ${failure.suggestions.join()}`).to.match(said);
      expect(failure.message).not.to.match(/syscall|scandir|, open/);
    }
    const onto = await failureOf(() => copier.copy(`oci:${folder('in')}`, `oci:${folder('text.txt/sub')}`));
    expect(onto.message).not.to.contain('scandir');
  });
});
