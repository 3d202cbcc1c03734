import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { FileChallengeMemory } from '../../../src/registry/challenge-memory.js';
import type { Challenge } from '../../../src/registry/challenge.js';
import { makeTempFolder } from '../../support/temp-folder.js';

const CHALLENGE: Challenge = { scheme: 'bearer', realm: 'https://auth.test/token', service: 'reg' };

describe('The challenge memory', () => {
  it('gives back what was remembered of a host, to another process too', async () => {
    await using folder = await makeTempFolder('memory');
    const hosts = ['registry.test', 'registry.test:5000', '[::1]:5000', 'localhost'];
    const memory = new FileChallengeMemory(folder.path);
    for (const host of hosts) await memory.remember(host, { ...CHALLENGE, service: host });
    await memory.remember('basic.test', { scheme: 'basic' });
    const again = new FileChallengeMemory(folder.path);
    for (const host of hosts) expect(await again.recall(host)).to.deep.equal({ ...CHALLENGE, service: host });
    expect(await again.recall('basic.test')).to.deep.equal({ scheme: 'basic' });
    expect(await again.recall('unknown.test')).to.equal(undefined);
  });

  it('keeps realm and service alone: no scope, nothing that says who asked', async () => {
    await using folder = await makeTempFolder('memory');
    const more = { scope: 'repository:private/app:pull', token: 'secret-token', account: 'me' };
    await new FileChallengeMemory(folder.path).remember('registry.test', { ...CHALLENGE, ...more });
    const [name = ''] = await readdir(join(folder.path, 'challenges'));
    const text = await readFile(join(folder.path, 'challenges', name), 'utf8');
    expect(JSON.parse(text)).to.deep.equal(CHALLENGE);
  });

  it('takes a file that holds anything else for none', async () => {
    await using folder = await makeTempFolder('memory');
    const memory = new FileChallengeMemory(folder.path);
    await memory.remember('registry.test', CHALLENGE);
    const [name = ''] = await readdir(join(folder.path, 'challenges'));
    const wrong = ['', '{', 'null', '[]', '"x"', '{}', '{"scheme":"digest"}', '{"scheme":"bearer"}'];
    for (const text of [...wrong, '{"scheme":"bearer","realm":5}', '\u0000'.repeat(100)]) {
      await writeFile(join(folder.path, 'challenges', name), text);
      expect(await memory.recall('registry.test'), text).to.equal(undefined);
    }
    await memory.remember('registry.test', CHALLENGE);
    expect(await memory.recall('registry.test')).to.deep.equal(CHALLENGE);
  });

  it('takes what is no file, or too large, for none, and does not wait for it', async () => {
    await using folder = await makeTempFolder('memory');
    const memory = new FileChallengeMemory(folder.path);
    await memory.remember('registry.test', CHALLENGE);
    const [name = ''] = await readdir(join(folder.path, 'challenges'));
    const file = join(folder.path, 'challenges', name);
    await writeFile(file, JSON.stringify({ ...CHALLENGE, padding: 'x'.repeat(20_000) }));
    expect(await memory.recall('registry.test')).to.equal(undefined);
    await rm(file);
    await promisify(execFile)('mkfifo', [file]);
    expect(await memory.recall('registry.test')).to.equal(undefined);
    await memory.remember('registry.test', CHALLENGE);
    expect(await memory.recall('registry.test')).to.deep.equal(CHALLENGE);
  });

  it("does without where it can't write or read", async () => {
    await using folder = await makeTempFolder('memory');
    // Root may write into any folder: a file in the folder's place stops it too, as a read-only home would.
    await mkdir(join(folder.path, 'home'));
    await writeFile(join(folder.path, 'home', 'challenges'), 'a file');
    const memory = new FileChallengeMemory(join(folder.path, 'home'));
    await memory.remember('registry.test', CHALLENGE);
    expect(await memory.recall('registry.test')).to.equal(undefined);
    expect(await readdir(join(folder.path, 'home'))).to.deep.equal(['challenges']);
  });

  it('leaves no half of a file behind when the last step fails', async () => {
    await using folder = await makeTempFolder('memory');
    // What can't be replaced: a folder of the file's name.
    await mkdir(join(folder.path, 'challenges', 'registry.test.json', 'x'), { recursive: true });
    await new FileChallengeMemory(folder.path).remember('registry.test', CHALLENGE);
    expect(await readdir(join(folder.path, 'challenges'))).to.deep.equal(['registry.test.json']);
  });

  it('is whole after parallel writers in one process, and leaves no other file', async () => {
    await using folder = await makeTempFolder('memory');
    const memory = new FileChallengeMemory(folder.path);
    const long = (n: number): Challenge => ({ ...CHALLENGE, service: String(n).repeat(2000) });
    const reads: (Challenge | undefined)[] = [];
    await memory.remember('registry.test', long(9));
    await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        await memory.remember('registry.test', long(n % 10));
        reads.push(await memory.recall('registry.test'));
      }),
    );
    expect(reads.filter((read) => read === undefined)).to.deep.equal([]);
    expect(await readdir(join(folder.path, 'challenges'))).to.have.length(1);
  });

  it('is whole after 20 parallel processes', async function () {
    this.timeout(60_000);
    await using folder = await makeTempFolder('memory');
    const module = new URL('../../../src/registry/challenge-memory.ts', import.meta.url).href;
    const code = `
      const { FileChallengeMemory } = await import(${JSON.stringify(module)});
      const memory = new FileChallengeMemory(process.argv[1]);
      for (let n = 0; n < 20; n += 1) {
        const service = (process.argv[2] + n + '-').repeat(500);
        await memory.remember('registry.test', { scheme: 'bearer', realm: 'https://auth.test', service });
        if (await memory.recall('registry.test') === undefined) process.exit(3);
      }`;
    const names = Array.from({ length: 20 }, (_, at) => String.fromCharCode(97 + at));
    const exits = await Promise.all(
      names.map(async (name) => {
        const args = ['--import', 'tsx', '--input-type=module', '-e', code, folder.path, name];
        const child = spawn(process.execPath, args, { stdio: 'inherit' });
        const [status] = (await once(child, 'exit')) as [number | null];
        return status;
      }),
    );
    expect(exits).to.deep.equal(names.map(() => 0));
    const kept = await new FileChallengeMemory(folder.path).recall('registry.test');
    expect((kept as { service: string }).service).to.match(/^([a-t]19-)\1{499}$/);
    expect(await readdir(join(folder.path, 'challenges'))).to.have.length(1);
  });
});
