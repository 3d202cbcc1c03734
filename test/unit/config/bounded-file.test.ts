import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { readBounded, TooLarge } from '../../../src/config/bounded-file.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

describe('A file that a flag names', () => {
  let folder: TempFolder;
  let path: string;

  beforeEach(async () => {
    folder = await makeTempFolder('bounded');
    path = join(folder.path, 'file');
  });
  afterEach(() => folder.remove());

  it('is read whole, up to its limit and no byte further', async () => {
    await writeFile(path, 'x'.repeat(200_000));
    expect(await readBounded(path, 200_000)).to.have.length(200_000);
    expect(await readBounded(path, 199_999).catch((error: unknown) => error)).to.be.instanceOf(TooLarge);
    await writeFile(path, '');
    expect(await readBounded(path, 1)).to.have.length(0);
  });

  it('may be a pipe, whose writer takes its time, but not for ever', async function () {
    if (process.platform === 'win32') this.skip(); // it has no such pipes
    expect(spawnSync('mkfifo', [path]).status).to.equal(0);
    expect((await failureIn(readBounded(path, 100, 300))).message).to.equal(
      'nothing came out of it in 0.3 s',
    );

    const writer = spawn('sh', ['-c', 'sleep 0.2; exec >"$0"; printf to; sleep 0.2; printf ken', path]);
    expect((await readBounded(path, 100)).toString()).to.equal('token');
    writer.kill();

    const silent = spawn('sh', ['-c', 'exec >"$0"; printf to; exec sleep 30', path]);
    try {
      expect((await failureIn(readBounded(path, 100, 1000))).message).to.equal(
        'nothing came out of it in 1 s',
      );
    } finally {
      silent.kill();
    }
  });
});

async function failureIn(reading: Promise<unknown>): Promise<Error> {
  const thrown: unknown = await reading.then(
    () => expect.fail('it was read'),
    (error: unknown) => error,
  );
  expect(thrown).to.be.instanceOf(Error);
  return thrown as Error;
}
