import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { recovered, type MachineRecord } from '../../../../src/emulator/machines/machine.js';
import { StateFile, type PlatformState } from '../../../../src/emulator/machines/state-file.js';
import { DeployerError } from '../../../../src/lib/errors.js';
import { makeTempFolder, type TempFolder } from '../../../support/temp-folder.js';

const state = (emulatorId: string): PlatformState => ({ version: 1, emulatorId, apps: [] });

describe("the file of the machines' state", () => {
  let folder: TempFolder;
  let path: string;
  const failures: unknown[] = [];
  const open = (): StateFile => new StateFile(path, (error) => failures.push(error));

  beforeEach(async () => {
    folder = await makeTempFolder('state');
    path = join(folder.path, 'machines');
    failures.length = 0;
  });
  afterEach(() => folder.remove());

  it('gives back what was saved last, however fast states followed each other, and is for its owner alone', async () => {
    expect(await open().load()).to.equal(undefined);
    const file = open();
    for (let n = 0; n < 100; n += 1) file.save(state(`e${n}`));
    await file.flush();
    expect(await open().load()).to.deep.equal(state('e99'));
    expect(await readdir(path)).to.deep.equal(['state.json']);
    expect((await stat(join(path, 'state.json'))).mode & 0o777).to.equal(0o600);
  });

  it('that can not be written is said, and written again with the next change', async () => {
    const file = open();
    file.save(state('first'));
    await file.flush();
    await rename(path, `${path}-away`);
    await writeFile(path, 'a file where the folder was');
    file.save(state('second'));
    await file.flush();
    expect(failures).to.have.length(1);
    await rm(path);
    await rename(`${path}-away`, path);
    expect(await open().load()).to.deep.equal(state('first'));
    file.save(state('third'));
    await file.flush();
    expect(await open().load()).to.deep.equal(state('third'));
  });

  it("is left alone, and named, when it is not an emulator's", async () => {
    const strange = [
      '{"apps": [',
      '[]',
      '{"version":2,"emulatorId":"x","apps":[]}',
      '{"version":1,"emulatorId":"x","apps":[{"name":"a","machines":[{"id":"1","state":"happy"}]}]}',
    ];
    await mkdir(path);
    for (const text of strange) {
      await writeFile(join(path, 'state.json'), text);
      const error = await open()
        .load()
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      expect(error, text).to.be.instanceOf(DeployerError);
      expect((error as DeployerError).message).to.contain(join(path, 'state.json'));
      expect((error as DeployerError).exit).to.equal(2);
      expect(await readFile(join(path, 'state.json'), 'utf8')).to.equal(text);
    }
  });
});

describe('a machine that the emulator takes up again', () => {
  const after = (was: MachineRecord['state'], launch = true): string =>
    recovered({ state: was, launch } as MachineRecord).state;

  it('runs if it ran or was about to, and has come to the end of what was under way', () => {
    const cases: [MachineRecord['state'], string][] = [
      ['created', 'starting'],
      ['starting', 'starting'],
      ['started', 'starting'],
      ['replacing', 'starting'],
      ['stopping', 'stopped'],
      ['stopped', 'stopped'],
      ['suspending', 'stopped'],
      ['suspended', 'stopped'],
      ['destroying', 'destroyed'],
      ['destroyed', 'destroyed'],
      ['failed', 'failed'],
    ];
    for (const [was, becomes] of cases) expect(after(was), was).to.equal(becomes);
    expect(after('replacing', false)).to.equal('stopped');
    expect(after('created', false)).to.equal('stopped');
  });
});
