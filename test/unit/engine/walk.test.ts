import { execFile } from 'node:child_process';
import { lstat, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { contentOf, readAtOnce } from '../../../src/engine/context/content.js';
import { followPaths } from '../../../src/engine/context/follow-paths.js';
import { PatternMatcher } from '../../../src/engine/context/pattern-matcher.js';
import { ContextSize } from '../../../src/engine/context/size.js';
import { walkContext, type ContextEntry, type WalkOptions } from '../../../src/engine/context/walk.js';
import { makeContext } from '../../support/build-context.js';
import { failureOf } from '../../support/failure.js';
import { makeTempFolder } from '../../support/temp-folder.js';

function entriesIn(root: string, options?: WalkOptions): ContextEntry[] {
  return [...walkContext(root, options)].filter((entry) => entry !== undefined);
}

function pathsIn(root: string, options?: WalkOptions): string[] {
  return entriesIn(root, options).map(({ path }) => path);
}

describe('the walk through a build context', () => {
  it('tells a folder before its content, in the order that the engine compares in', async () => {
    await using context = await makeContext({ 'a/b': '', 'a-b': '', 'a.b': '', Z: '', ü: '', 'a/a/x': '' });
    expect(pathsIn(context.path)).to.deep.equal(['Z', 'a', 'a/a', 'a/a/x', 'a/b', 'a-b', 'a.b', 'ü']);
  });

  it('sorts by bytes what JavaScript would sort otherwise, and refuses a name that is no UTF-8', async () => {
    // Above U+FFFF come surrogates, which are smaller than U+FF5E as numbers, and larger as UTF-8.
    await using context = await makeContext({ '\u{1F600}': '', '\uFF5E': '', 'é/ü': '' });
    expect(pathsIn(context.path)).to.deep.equal(['é', 'é/ü', '\uFF5E', '\u{1F600}']);
    await writeFile(Buffer.concat([Buffer.from(`${context.path}/é/`), Buffer.from([0x61, 0xff])]), '');
    expect((await failureOf(async () => pathsIn(context.path))).message).to.equal(
      "é/a\uFFFD of the build context can't be read: its name is not UTF-8",
    );
  });

  it('tells an excluded folder only for what is taken back in, and enters no other', async () => {
    await using context = await makeContext({ 'docs/a/keep': '', 'docs/b/x': '', 'out/x': '', 'in/x': '' });
    const excluded = new PatternMatcher(['docs', 'out', '!docs/a/keep']);
    expect(pathsIn(context.path, { excluded })).to.deep.equal([
      ...['docs', 'docs/a', 'docs/a/keep', 'in', 'in/x'],
    ]);
  });

  it('follows what COPY names, through wildcards and links, never above the root', async () => {
    await using context = await makeContext({ 'src/a.ts': '', 'src/b.js': '', 'real/file': '', other: '' });
    await promisify(execFile)('ln', ['-s', '../../../real', join(context.path, 'src/link')]);
    const included = await followPaths(context.path, ['src/*.ts', 'src/link/file', 'not-there']);
    expect(pathsIn(context.path, included && { included })).to.deep.equal([
      ...['real', 'real/file', 'src', 'src/a.ts', 'src/link'],
    ]);
    expect(await followPaths(context.path, ['.'])).to.equal(undefined);
  });

  it('looks at nothing that is not asked for, or left out: neither its name, nor what lies in it', async () => {
    await using context = await makeContext({ 'ask/Dockerfile': 'FROM x', 'ask/b': '', 'closed/x': '' });
    const odd = (path: string): Buffer =>
      Buffer.concat([Buffer.from(`${context.path}/${path}`), Buffer.from([0xff])]);
    await mkdir(odd('odd'));
    await writeFile(odd('ask/odd'), '');
    await promisify(execFile)('chmod', ['0', join(context.path, 'closed')]);
    await asNobody(context.path, async () => {
      const included = await followPaths(context.path, ['ask/Dockerfile', 'ask/Dockerfile.dockerignore']);
      expect(pathsIn(context.path, included && { included })).to.deep.equal(['ask', 'ask/Dockerfile']);
      const excluded = new PatternMatcher(['closed', '**/odd*', '!ask/b']);
      expect(pathsIn(context.path, { excluded })).to.deep.equal(['ask', 'ask/Dockerfile', 'ask/b']);
    });
  });

  it('enters the folders that a pattern with wildcards may reach, and what lies in one that it matches', async () => {
    await using context = await makeContext({ 'a/b/c.md': '', 'a/x/d.md': '', 'z/b/e': '', 'z/c.md': '' });
    const paths = (...patterns: string[]): string[] =>
      pathsIn(context.path, { included: new PatternMatcher(patterns) });
    expect(paths('**/c.md')).to.deep.equal(['a', 'a/b', 'a/b/c.md', 'z', 'z/c.md']);
    expect(paths('?/b')).to.deep.equal(['a', 'a/b', 'a/b/c.md', 'z', 'z/b', 'z/b/e']);
    expect(paths('a', '!a/b')).to.deep.equal(['a', 'a/x', 'a/x/d.md']);
    expect(paths('a', '!a/*', 'a/x/d.md')).to.deep.equal(['a', 'a/x', 'a/x/d.md']);
  });

  it('tells a file of several names once, and then its other names', async () => {
    await using context = await makeContext({ one: 'x' });
    await promisify(execFile)('ln', ['one', 'two'], { cwd: context.path });
    const entries = entriesIn(context.path);
    expect(entries.map(({ path, kind, linkname }) => [path, kind, linkname])).to.deep.equal([
      ['one', 'file', undefined],
      ['two', 'hardlink', 'one'],
    ]);
  });

  it('passes 100,000 small files in seconds', async function () {
    this.timeout(60_000);
    await using folder = await makeTempFolder('many');
    const make = 'for d in $(seq 100); do mkdir $d; (cd $d; seq 1000 | xargs touch); done';
    await promisify(execFile)('sh', ['-c', make], { cwd: folder.path });
    expect(entriesIn(folder.path)).to.have.lengthOf(100_100);
  });

  it('names the file that can not be read, or changes while it is sent', async () => {
    await using context = await makeContext(
      Object.fromEntries(
        ['closed', 'grown', 'gone', 'shrunk', 'folded', 'linked'].map((name) => [name, 'x']),
      ),
    );
    const reading = async (path: string, change: () => Promise<unknown>): Promise<string> => {
      const stats = await lstat(join(context.path, path), { bigint: true });
      await change();
      const error = await failureOf(async () => {
        for await (const _ of contentOf(context.path, { path, kind: 'file', stats }));
      });
      const atOnce = await failureOf(() =>
        Promise.resolve().then(() => readAtOnce(context.path, { path, kind: 'file', stats })),
      );
      expect([error.exit, atOnce.exit, atOnce.message]).to.deep.equal([6, 6, error.message]);
      return error.message;
    };
    const at = (name: string): string => join(context.path, name);
    expect(await reading('grown', () => writeFile(at('grown'), 'xxx'))).to.match(/^grown .* changed while/);
    expect(await reading('gone', () => rm(at('gone')))).to.match(/^gone .* ENOENT$/);
    expect(await reading('shrunk', () => writeFile(at('shrunk'), ''))).to.match(/^shrunk .* changed while/);
    const replaced = async (name: string, by: () => Promise<unknown>): Promise<void> => {
      await rm(at(name));
      await by();
    };
    expect(await reading('folded', () => replaced('folded', () => mkdir(at('folded'))))).to.match(
      /^folded .* EISDIR$/,
    );
    expect(
      await reading('linked', () => replaced('linked', () => symlink('/etc/hostname', at('linked')))),
    ).to.match(/^linked .* ELOOP$/);
    await mkdir(at('folder'));
    await promisify(execFile)('chmod', ['0', at('closed'), at('folder')]);
    await asNobody(context.path, async () => {
      expect(await reading('closed', async () => undefined)).to.match(/^closed .* EACCES$/);
      expect((await failureOf(async () => pathsIn(context.path))).message).to.match(/^folder .* EACCES$/);
    });
  });
});

describe('the size of a build context', () => {
  it('is a warning above 100 MiB, with the ten largest entries', () => {
    const size = new ContextSize();
    const add = (path: string, bytes: number): void => {
      size.add({ path, kind: 'file', stats: { size: BigInt(bytes) } as never });
    };
    for (let at = 1; at <= 12; at += 1) add(`file-${at}`, at * 1000);
    add('node_modules/a', 60 * 2 ** 20);
    expect(size.warning()).to.equal(undefined);
    add('node_modules/b/c', 50 * 2 ** 20);
    expect(size.warning()).to.match(
      /^the build context is 115 MB; its largest entries: node_modules\/ 115 MB, file-12 /,
    );
    expect(size.warning()?.match(/file-/g)).to.have.length(9);
  });
});

/** Root may read everything: its place is left for the time of the work. */
async function asNobody(folder: string, work: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return work();
  await promisify(execFile)('chmod', ['755', folder]);
  process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}
