import { execFile } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { makeCopier, type Copier } from '../../support/copying.js';
import { failureOf } from '../../support/failure.js';
import { randomImage, type FixtureManifest } from '../../support/image-fixtures.js';
import { writeLayout } from '../../support/layout-fixture.js';
import { requires } from '../../support/requirements.js';

describe('Copying to where something else than a file is', () => {
  requires('linux');
  let copier: Copier;
  let image: FixtureManifest;
  beforeEach(async () => {
    copier = await makeCopier();
    image = randomImage([50_000]);
    await writeLayout(at('in'), { v1: image });
  });
  afterEach(() => copier[Symbol.asyncDispose]());
  const at = (leaf: string): string => join(copier.folder, leaf);
  const copyTo = (destination: string) => copier.copy(`oci:${at('in')}`, destination);
  const mkfifo = (path: string): Promise<unknown> => promisify(execFile)('mkfifo', [path]);
  const leftOver = async (): Promise<string[]> =>
    (await readdir(copier.folder, { recursive: true })).filter((name) => name.endsWith('.part'));

  /** What lies at a path, made there; and how a message calls it. */
  const KINDS = {
    pipe: { called: 'a pipe', make: mkfifo },
    socket: {
      called: 'a socket',
      make: async (path: string) => {
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(path, resolve));
        return () => server.close();
      },
    },
    folder: { called: 'a folder', make: (path: string) => mkdir(path) },
    'link to a pipe': {
      called: 'a link to',
      make: async (path: string) => {
        await mkfifo(`${path}.target`);
        await symlink(`${path}.target`, path);
      },
    },
    'link to an archive': {
      called: 'a link to',
      make: async (path: string) => {
        await copyTo(`docker-archive:${path}.target`);
        await symlink(`${path}.target`, path);
      },
    },
    'link to nothing': { called: 'a link to', make: (path: string) => symlink(`${path}.none`, path) },
  } as const;

  for (const [kind, { called, make }] of Object.entries(KINDS)) {
    it(`refuses an archive in the place of a ${kind}, which stays what it is`, async () => {
      const path = at('out.tar');
      const end: unknown = await make(path);
      try {
        const before = await lstat(path);
        const failure = await failureOf(() => copyTo(`docker-archive:${path}`));
        expect(failure).to.include({ code: 'usage', exit: 2 });
        expect(failure.message).to.contain(path).and.contain(called);
        const { ino, mode } = await lstat(path);
        expect({ ino, mode }).to.deep.equal({ ino: before.ino, mode: before.mode });
        expect(await leftOver()).to.deep.equal([]);
      } finally {
        if (typeof end === 'function') (end as () => void)();
      }
    });
  }

  it('leaves what a link leads to as it is', async () => {
    await writeFile(at('target.tar'), 'mine');
    await symlink(at('target.tar'), at('out.tar'));
    await failureOf(() => copyTo(`docker-archive:${at('out.tar')}`));
    expect(await readFile(at('target.tar'), 'utf8')).to.equal('mine');
    expect(await readlink(at('out.tar'))).to.equal(at('target.tar'));
  });

  it('refuses an archive in the place of a file that is none, of which nothing is lost', async () => {
    await writeFile(at('thesis.txt'), 'years of work\n'.repeat(1000));
    const failure = await failureOf(() => copyTo(`docker-archive:${at('thesis.txt')}`));
    expect(failure).to.include({ code: 'usage', exit: 2 });
    expect(failure.message).to.contain('not overwritten');
    expect(await readFile(at('thesis.txt'), 'utf8')).to.equal('years of work\n'.repeat(1000));
  });

  it('puts an archive in the place of an older one or of an empty file, whose mode it keeps', async () => {
    await writeFile(at('out.tar'), '');
    await chmod(at('out.tar'), 0o600);
    await copyTo(`docker-archive:${at('out.tar')}`);
    await copyTo(`docker-archive:${at('out.tar')}`);
    expect((await stat(at('out.tar'))).mode & 0o777).to.equal(0o600);
    expect((await copier.copy(`docker-archive:${at('out.tar')}`, `oci:${at('back')}`)).digest).to.equal(
      image.digest,
    );
    expect(await leftOver()).to.deep.equal([]);
  });

  it('writes an archive to no stream, and reads none from one', async () => {
    for (const [from, to] of [
      [`oci:${at('in')}`, 'docker-archive:-'],
      ['docker-archive:-:app:v1', `oci:${at('out')}`],
    ] as const) {
      const failure = await failureOf(() => copier.copy(from, to));
      expect(failure).to.include({ code: 'usage', exit: 2 });
      expect(failure.suggestions.join()).to.contain('docker-archive:./-');
    }
  });

  it('does not wait at a pipe for an archive', async () => {
    await mkfifo(at('in.tar'));
    const failure = await failureOf(() => copier.copy(`docker-archive:${at('in.tar')}`, `oci:${at('out')}`));
    expect(failure.code).to.equal('image_file_not_found');
  });

  for (const file of ['index.json', 'the layer', 'the manifest']) {
    it(`refuses a layout in which ${file} is a pipe, and does not wait for it`, async () => {
      await copyTo(`oci:${at('out')}:v1`);
      const digests: Readonly<Record<string, string | undefined>> = {
        'the layer': image.blobs[1]?.digest,
        'the manifest': image.digest,
      };
      const digest = digests[file];
      const path = at(join('out', digest === undefined ? file : `blobs/${digest.replace(':', '/')}`));
      await rm(path);
      await mkfifo(path);
      // What names the layer has to be missing, or the layer is taken for being there.
      if (file === 'the layer') await rm(at(`out/blobs/${image.digest.replace(':', '/')}`));
      const failure = await failureOf(() => copyTo(`oci:${at('out')}:v2`));
      expect(failure).to.include({ code: 'usage', exit: 2 });
      expect(failure.message).to.contain(`${path} is a pipe`);
      expect((await lstat(path)).isFIFO()).to.equal(true);
      expect(await leftOver()).to.deep.equal([]);
    });
  }

  it('writes into no layout of another version, nor into one whose marker is a pipe', async () => {
    for (const make of [
      () => writeFile(at('out/oci-layout'), '{"imageLayoutVersion":"2.0.0"}'),
      () => mkfifo(at('out/oci-layout')),
    ]) {
      await copyTo(`oci:${at('out')}:v1`);
      await rm(at('out/oci-layout'));
      await make();
      const failure = await failureOf(() => copyTo(`oci:${at('out')}:v2`));
      expect(failure.code).to.equal('image_file_invalid');
      expect(failure.message).to.contain(at('out/oci-layout'));
      await rm(at('out'), { recursive: true });
    }
  });

  it('refuses a layout whose index is a link, and leaves what that leads to', async () => {
    await copyTo(`oci:${at('elsewhere')}:v1`);
    await copyTo(`oci:${at('out')}:v1`);
    await rm(at('out/index.json'));
    await symlink(at('elsewhere/index.json'), at('out/index.json'));
    const before = await readFile(at('elsewhere/index.json'), 'utf8');
    expect((await failureOf(() => copyTo(`oci:${at('out')}:v2`))).code).to.equal('usage');
    expect(await readFile(at('elsewhere/index.json'), 'utf8')).to.equal(before);
  });

  it('takes blobs that layouts share through a link', async () => {
    await copyTo(`oci:${at('one')}:v1`);
    await mkdir(at('two'));
    await writeFile(at('two/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await symlink(at('one/blobs'), at('two/blobs'));
    expect(await copyTo(`oci:${at('two')}:v1`)).to.include({ bytesSent: 0, digest: image.digest });
  });

  it('gives up a folder that the system makes nobody, instead of asking for ever', async () => {
    const failure = await failureOf(() => copyTo('oci:/proc/no-such-folder/layout:v1'));
    expect(failure).to.include({ code: 'push_failed', exit: 7 });
    expect(failure.message).to.contain('/proc/no-such-folder');
  });
});
