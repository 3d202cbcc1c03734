import { spawnSync, execFile } from 'node:child_process';
import { chmod, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { packContext } from '../../../src/engine/context/pack.js';
import { PatternMatcher } from '../../../src/engine/context/pattern-matcher.js';
import type { WriteOn } from '../../../src/engine/upload.js';
import { walkContext } from '../../../src/engine/context/walk.js';
import { makeContext } from '../../support/build-context.js';
import { failureOf } from '../../support/failure.js';

interface Packed {
  readonly archive: Buffer;
  readonly contentBytes: number;
  readonly warnings: readonly string[];
}

async function pack(
  root: string,
  excluded?: PatternMatcher,
  placed = new Map<string, Buffer>(),
): Promise<Packed> {
  const [chunks, warnings]: [Buffer[], string[]] = [[], []];
  let contentBytes = 0;
  const options = {
    placed,
    onPacked: (bytes: number) => (contentBytes += bytes),
    onWarning: (message: string) => warnings.push(message),
    ...(excluded && { excluded }),
  };
  await packContext(root, options, intoCopies(chunks));
  return { archive: Buffer.concat(chunks), contentBytes, warnings };
}

/** Keeps what is written; takes its time, in which the memory may not be used again. */
function intoCopies(chunks: Buffer[]): WriteOn {
  return async (bytes) => {
    await setImmediate();
    chunks.push(Buffer.from(bytes));
  };
}

/** What GNU tar makes of it. */
function tar(archive: Buffer, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('tar', args, {
    input: archive,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  expect([status, stderr], stdout.slice(0, 500)).to.deep.equal([0, '']);
  return stdout;
}

const quiet = { placed: new Map(), onPacked: () => undefined, onWarning: () => undefined };

describe('a build context as a tar archive', () => {
  it('holds what the walk tells of it, and the content of every file', async () => {
    await using context = await makeContext({
      ...{ 'a/one': '1', 'a/ü': 'ü', empty: '', 'out/x': 'x', 'out/keep': 'k' },
      // Around what is read at once, and around what is written at a time.
      ...Object.fromEntries(
        [511, 512, 513, 131_072, 131_073, 524_288, 1_048_576, 1_200_000].map((size) => [
          `size-${size}`,
          Buffer.alloc(size, 'y'),
        ]),
      ),
      ...Object.fromEntries(Array.from({ length: 700 }, (_, at) => [`many/${at}`, `${at}`.repeat(at)])),
    });
    // To whole seconds, as the archive has them.
    await promisify(execFile)('sh', ['-c', 'find . -exec touch -d @1000000000 {} +'], { cwd: context.path });
    const excluded = new PatternMatcher(['out', '!out/keep']);
    const { archive, contentBytes } = await pack(context.path, excluded);
    const told: string[] = [];
    let bytes = 0;
    for (const entry of walkContext(context.path, { excluded })) {
      if (entry === undefined) continue;
      const { path, kind, stats } = entry;
      told.push(kind === 'folder' ? `${path}/` : path);
      if (kind === 'file') bytes += Number(stats.size);
    }
    expect(tar(archive, '-t', '--quoting-style=literal').trimEnd().split('\n')).to.deep.equal(told);
    expect(contentBytes).to.equal(bytes);
    // Compares content, size, mode, time and links with the folder.
    tar(archive, '-d', '-C', context.path);
    expect(archive.length % 512).to.equal(0);
  });

  it('has what is placed in it, instead of the file of that name', async () => {
    await using context = await makeContext({ '.dockerignore': 'theirs', a: 'a' });
    const { archive } = await pack(
      context.path,
      undefined,
      new Map([['.dockerignore', Buffer.from('ours')]]),
    );
    expect(tar(archive, '-t').trimEnd().split('\n')).to.deep.equal(['.dockerignore', 'a']);
    expect(tar(archive, '-xO', '.dockerignore')).to.equal('ours');
  });

  it('leaves a socket out, and says so', async () => {
    await using context = await makeContext({ a: 'a' });
    const server = createServer().listen(join(context.path, 's.sock'));
    try {
      const { archive, warnings } = await pack(context.path);
      expect(tar(archive, '-t')).to.equal('a\n');
      expect(warnings).to.deep.equal(['s.sock is left out: a socket can not be sent']);
    } finally {
      server.close();
    }
  });

  it('breaks off at a file that can not be read, with its name; one that is left out may be so', async () => {
    await using context = await makeContext({ open: 'x', closed: 'x' });
    await chmod(join(context.path, 'closed'), 0);
    await promisify(execFile)('chmod', ['755', context.path]);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      const error = await failureOf(() => pack(context.path));
      expect([error.code, error.message]).to.deep.equal([
        'context_unreadable',
        "closed of the build context can't be read: EACCES",
      ]);
      expect(tar((await pack(context.path, new PatternMatcher(['closed']))).archive, '-t')).to.equal(
        'open\n',
      );
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it('breaks off at a file that shrinks or grows under it, without an end that would make it whole', async () => {
    for (const size of [10_000_000, 40_000_000]) {
      await using context = await makeContext({ large: Buffer.alloc(20_000_000) });
      const chunks: Buffer[] = [];
      const error = await failureOf(async () => {
        await packContext(context.path, quiet, async (bytes) => {
          chunks.push(Buffer.from(bytes));
          await truncate(join(context.path, 'large'), size);
        });
      });
      expect(error.message).to.match(/^large .* changed while it was being sent$/);
      expect(spawnSync('tar', ['-t'], { input: Buffer.concat(chunks) }).status).to.equal(2);
    }
  });

  it('holds two pieces in memory, one of which is filled while the other is written', async () => {
    await using context = await makeContext({ a: Buffer.alloc(2_000_000), b: 'b' });
    const memory = new Set<ArrayBufferLike>();
    let writing = 0;
    await packContext(context.path, quiet, async (bytes) => {
      memory.add(bytes.buffer);
      writing += 1;
      expect([writing, bytes.length <= 544 * 1024]).to.deep.equal([1, true]);
      await setImmediate();
      writing -= 1;
    });
    expect(memory.size).to.equal(2);
  });

  it('ends at once when it is stopped, and when nobody takes what it writes', async () => {
    await using context = await makeContext({ a: Buffer.alloc(2_000_000), b: 'b' });
    const stop = new AbortController();
    let written = 0;
    const packing = packContext(context.path, { ...quiet, signal: stop.signal }, async () => {
      written += 1;
      stop.abort(new Error('enough'));
      await setTimeout(20);
    });
    expect(await packing.catch(String)).to.equal('Error: enough');
    const refused = packContext(context.path, quiet, () => Promise.reject(new Error('gone')));
    expect(await refused.catch(String)).to.equal('Error: gone');
    expect(written).to.be.at.most(2);
  });
});
