import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeFolder } from '../../../src/lib/make-folder.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';

describe('A folder', () => {
  const codeOf = (work: Promise<void>): Promise<unknown> =>
    work.then(
      () => 'made',
      (error: unknown) => (error as NodeJS.ErrnoException).code,
    );

  it('is made with those above it, all of the same mode, by several at once, and is then left as it is', async () => {
    await using folder = await makeTempFolder();
    const path = join(folder.path, 'a/b/c');
    await Promise.all([makeFolder(path, 0o700), makeFolder(path, 0o700), makeFolder(path, 0o700)]);
    for (const made of ['a', 'a/b', 'a/b/c'])
      expect((await stat(join(folder.path, made))).mode & 0o777, made).to.equal(0o700);
    await makeFolder(path, 0o755);
    expect((await stat(path)).mode & 0o777).to.equal(0o700);
  });

  it('is not made where a file is', async () => {
    await using folder = await makeTempFolder();
    await writeFile(join(folder.path, 'file'), '');
    expect(await codeOf(makeFolder(join(folder.path, 'file')))).to.equal('EEXIST');
    expect(await codeOf(makeFolder(join(folder.path, 'file/below')))).to.equal('ENOTDIR');
  });

  describe('in /proc', () => {
    requires('linux');

    it('is given up', async () => {
      expect(await codeOf(makeFolder('/proc/no-such-folder/below'))).to.equal('ENOENT');
    });
  });
});
