import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { loadTree } from '../../../../src/image/image-tree.js';
import { FolderFiles } from '../../../../src/image/sources/folder-files.js';
import { LayoutSource } from '../../../../src/image/sources/layout-source.js';
import { blobPath } from '../../../../src/oci/layout.js';
import { failureOf } from '../../../support/failure.js';
import { buildxIndex, index, ociImage, type FixtureManifest } from '../../../support/image-fixtures.js';
import { writeLayout } from '../../../support/layout-fixture.js';
import { makeTempFolder, type TempFolder } from '../../../support/temp-folder.js';

describe('An image layout', () => {
  let temp: TempFolder;
  let folder: string;
  let image: FixtureManifest;
  beforeEach(async () => {
    temp = await makeTempFolder('layout');
    folder = join(temp.path, 'image');
    image = await buildxIndex();
    await writeLayout(folder, { v1: image });
  });
  afterEach(() => temp.remove());

  /** Reads everything, as a copy does. */
  async function readAll(): Promise<void> {
    const source = await LayoutSource.open(`oci:${folder}`, await FolderFiles.open(folder), {});
    const tree = await loadTree(source, await source.root());
    for (const { stored } of [tree, ...tree.children]) {
      const { content } = stored;
      if (content.kind !== 'manifest') continue;
      for (const blob of [content.config, ...content.layers])
        for await (const _ of source.blob(blob).open(0, 'here')) continue;
    }
  }
  const fileOf = (part: { readonly digest: string }): string => join(folder, blobPath(part.digest as never));
  const child = (): FixtureManifest => image.children[0] as FixtureManifest;
  const layer = () => child().blobs[1] as FixtureManifest['blobs'][number];

  it('that is whole is read whole', () => readAll());

  it('is read from any place in a blob, in pieces of its own', async () => {
    const source = await LayoutSource.open('oci:x', await FolderFiles.open(folder), {});
    const { bytes, size } = layer();
    for (const start of [0, 1, size - 1, size]) {
      const chunks: Buffer[] = [];
      for await (const chunk of source.blob(layer()).open(start, 'here')) chunks.push(Buffer.from(chunk));
      expect(Buffer.concat(chunks).equals(bytes.subarray(start)), `from ${start}`).to.equal(true);
    }
  });

  const damages: Readonly<Record<string, { damage: () => Promise<void>; file: () => string; why: RegExp }>> =
    {
      'lacks a layer': {
        damage: () => rm(fileOf(layer())),
        file: () => fileOf(layer()),
        why: /it is missing/,
      },
      'lacks a manifest': {
        damage: () => rm(fileOf(child())),
        file: () => fileOf(child()),
        why: /it is missing/,
      },
      'has a layer that is cut off': {
        damage: () => truncate(fileOf(layer()), 10),
        file: () => fileOf(layer()),
        why: /it has 10 bytes, not the \d+ of its descriptor/,
      },
      'has a layer of other bytes': {
        damage: () => writeFile(fileOf(layer()), Buffer.alloc(layer().size, 'x')),
        file: () => fileOf(layer()),
        why: /the digest of its bytes is sha256:/,
      },
      'has a manifest of other bytes': {
        damage: () => writeFile(fileOf(child()), Buffer.alloc(child().size, ' ')),
        file: () => fileOf(child()),
        why: /the digest of its bytes is sha256:/,
      },
      'has a folder where a layer should be': {
        damage: async () => {
          await rm(fileOf(layer()));
          await mkdir(fileOf(layer()));
        },
        file: () => fileOf(layer()),
        why: /it is no file/,
      },
      'has a layer that is a link to a file elsewhere': {
        damage: async () => {
          const elsewhere = join(temp.path, 'secret');
          await rename(fileOf(layer()), elsewhere);
          await symlink(elsewhere, fileOf(layer()));
        },
        file: () => fileOf(layer()),
        why: /a link that leads out of the layout/,
      },
      'has a folder of blobs that is a link to elsewhere': {
        damage: async () => {
          await rename(join(folder, 'blobs'), join(temp.path, 'elsewhere'));
          await symlink(join(temp.path, 'elsewhere'), join(folder, 'blobs'));
        },
        file: () => fileOf(image),
        why: /a link that leads out of the layout/,
      },
      'names a path for a digest': {
        damage: () =>
          writeFile(
            join(folder, 'index.json'),
            '{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:../../../etc/passwd","size":1}]}',
          ),
        file: () => join(folder, 'index.json'),
        why: /no valid manifest/,
      },
      'has an index.json that is none': {
        damage: () => writeFile(join(folder, 'index.json'), 'hello'),
        file: () => join(folder, 'index.json'),
        why: /no valid manifest/,
      },
      'has no index.json': {
        damage: () => rm(join(folder, 'index.json')),
        file: () => join(folder, 'index.json'),
        why: /it is missing/,
      },
      'has an index.json without an end': {
        damage: () => writeFile(join(folder, 'index.json'), Buffer.alloc(5 * 1024 * 1024, ' ')),
        file: () => join(folder, 'index.json'),
        why: /more than the \d+ that are read/,
      },
      'has no marker': {
        damage: () => rm(join(folder, 'oci-layout')),
        file: () => join(folder, 'oci-layout'),
        why: /it is missing/,
      },
    };
  for (const [what, { damage, file, why }] of Object.entries(damages)) {
    it(`that ${what} is refused, and the file named`, async () => {
      await damage();
      const failure = await failureOf(readAll);
      expect(failure).to.include({ code: 'image_file_invalid', exit: 5 });
      expect(failure.message).to.contain(file());
      expect(failure.message).to.match(why);
    });
  }

  it('may be a link itself, and hold links that stay inside', async () => {
    await rename(fileOf(layer()), join(dirname(fileOf(layer())), 'elsewhere'));
    await symlink('elsewhere', fileOf(layer()));
    await symlink(folder, join(temp.path, 'link'));
    folder = join(temp.path, 'link');
    await readAll();
  });

  it('whose index says another size of a manifest than it has is refused', async () => {
    const built = await ociImage({ message: 'sized' });
    const wrong = index([{ ...built, size: built.size + 1 }]);
    await writeLayout(folder, { v1: wrong });
    const failure = await failureOf(readAll);
    expect(failure.message).to.contain(`not the ${built.size + 1} of its descriptor`);
  });

  it('that is not there is not found', async () => {
    const failure = await failureOf(() => FolderFiles.open(join(temp.path, 'nowhere')));
    expect(failure).to.include({ code: 'image_file_not_found', exit: 3 });
    await writeFile(join(temp.path, 'file'), '');
    expect((await failureOf(() => FolderFiles.open(join(temp.path, 'file')))).message).to.contain(
      'it is no folder',
    );
  });

  it('of indexes that hold each other without an end is refused', async () => {
    const deep = index([index([index([index([await ociImage()])])])]);
    await writeLayout(folder, { v1: deep });
    expect((await failureOf(readAll)).message).to.contain('nested more than 3 deep');
  });
});
