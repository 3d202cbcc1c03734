import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { packTar } from 'modern-tar';
import { readWhole } from '../../../../src/image/sources/image-files.js';
import { TarFiles } from '../../../../src/image/sources/tar-files.js';
import { tarFileHeader } from '../../../../src/oci/tar.js';
import { failureOf } from '../../../support/failure.js';
import { makeTempFolder, type TempFolder } from '../../../support/temp-folder.js';

const run = promisify(execFile);

describe('A tar archive', () => {
  let folder: TempFolder;
  before(async () => {
    folder = await makeTempFolder('tar');
  });
  after(() => folder.remove());

  async function opened(bytes: Uint8Array): Promise<TarFiles> {
    const file = join(folder.path, `${Math.random()}.tar`);
    await writeFile(file, bytes);
    return TarFiles.open(file, folder.path);
  }
  const contentOf = async (files: TarFiles, path: string): Promise<string> =>
    (await readWhole(files, path, 10_000)).toString();

  for (const format of ['ustar', 'gnu', 'posix', 'v7']) {
    it(`of GNU tar (${format}) is read by its names, long ones and links too`, async () => {
      const root = join(folder.path, format);
      const long = `${'long/'.repeat(format === 'v7' ? 4 : 40)}file`;
      await mkdir(join(root, long, '..'), { recursive: true });
      await writeFile(join(root, 'first'), 'one');
      await writeFile(join(root, long), 'two');
      await run('ln', ['first', 'hard'], { cwd: root });
      await run('ln', ['-s', '../first', 'long/soft'], { cwd: root });
      await run('tar', [`--format=${format}`, '-cf', '../it.tar', '.'], { cwd: root });
      const files = await TarFiles.open(join(folder.path, 'it.tar'), folder.path);
      expect(await contentOf(files, 'first')).to.equal('one');
      expect(await contentOf(files, long)).to.equal('two');
      expect(await contentOf(files, 'hard')).to.equal('one');
      expect(await contentOf(files, 'long/soft')).to.equal('one');
      expect(await files.sizeOf('nothing')).to.equal(undefined);
      await files.close();
    });
  }

  it('that is gzipped is unpacked beside, and leaves nothing when it is closed', async () => {
    await using temp = await makeTempFolder('unpacked');
    const plain = await packTar([{ header: { name: 'a', size: 3, type: 'file' }, body: 'abc' }]);
    await writeFile(join(folder.path, 'z.tar'), plain);
    await run('gzip', ['-kf', join(folder.path, 'z.tar')]);
    const files = await TarFiles.open(join(folder.path, 'z.tar.gz'), temp.path);
    expect(await contentOf(files, 'a')).to.equal('abc');
    await files.close();
    const { stdout } = await run('find', [temp.path, '-mindepth', '1']);
    expect(stdout).to.equal('');
  });

  it('has a file twice: the last one counts, as for who unpacks it', async () => {
    const entry = (body: string) => ({
      header: { name: 'a', size: body.length, type: 'file' as const },
      body,
    });
    const files = await opened(await packTar([entry('old'), entry('newer')]));
    expect(await contentOf(files, 'a')).to.equal('newer');
    await files.close();
  });

  it('does not lead out of itself, and not round in a circle', async () => {
    const link = (name: string, linkname: string) => ({
      header: { name, linkname, size: 0, type: 'symlink' as const },
    });
    const files = await opened(
      await packTar([
        link('out', '../../../etc/passwd'),
        link('abs', '/etc/passwd'),
        link('a', 'b'),
        link('b', 'a'),
      ]),
    );
    expect(await files.sizeOf('out')).to.equal(undefined);
    expect(await files.sizeOf('abs')).to.equal(undefined);
    expect((await failureOf(() => files.sizeOf('a'))).message).to.contain('round in a circle');
    await files.close();
  });

  it('that is cut off, or none at all, says so', async () => {
    const whole = await packTar([
      { header: { name: 'layer.tar', size: 5000, type: 'file' }, body: 'x'.repeat(5000) },
    ]);
    const cut = await failureOf(() => opened(whole.subarray(0, 3000)));
    expect(cut).to.include({ code: 'image_file_invalid' });
    expect(cut.message).to.contain('cut off in layer.tar');
    const text = await failureOf(() => opened(Buffer.from('no archive'.repeat(100))));
    expect(text.message).to.contain('it is no tar archive');
    const gzip = await failureOf(() => opened(Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3])));
    expect(gzip.message).to.contain("it can't be unpacked");
    const missing = await failureOf(() => TarFiles.open(join(folder.path, 'missing.tar'), folder.path));
    expect(missing).to.include({ code: 'image_file_not_found', exit: 3 });
  });

  it('of any bytes is read or refused, and never hangs or breaks', () =>
    fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 512, maxLength: 4096 }),
        fc.nat(3),
        async (noise, blocks) => {
          const head = Buffer.concat(Array.from({ length: blocks }, (_, at) => tarFileHeader(`f${at}`, 0)));
          const outcome = await opened(Buffer.concat([head, noise])).then(
            async (files) => {
              await files.close();
              return 'read';
            },
            (error: unknown) => (error as { code?: string }).code,
          );
          expect(outcome).to.be.oneOf(['read', 'image_file_invalid']);
        },
      ),
      { numRuns: 50 },
    ));
});
