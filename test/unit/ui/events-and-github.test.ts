import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { present } from '../../../src/cli/failure.js';
import { DeployerError, type ErrorDocument } from '../../../src/lib/errors.js';
import type { TimedDeployEvent } from '../../../src/deploy/events.js';
import { chooseView } from '../../../src/ui/choose-view.js';
import { annotation, withoutCommands } from '../../../src/ui/github-commands.js';
import { collectedIo } from '../../support/collected-io.js';
import { HOSTILE, IMAGE_NOT_FOUND, SUCCESS } from '../../support/deploy-stories.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

describe('The events of a deploy', () => {
  let folder: TempFolder;

  beforeEach(async () => {
    folder = await makeTempFolder('events');
  });
  afterEach(() => folder.remove());

  it('are lines of JSON in a file, each there as soon as it happened', async () => {
    const file = join(folder.path, 'events.ndjson');
    await writeFile(file, 'of the last run\n');
    const { io } = collectedIo(['--json']);
    const view = chooseView(io, { events: file });
    for (const [index, event] of SUCCESS.entries()) {
      view.show(event);
      const lines = (await readFile(file, 'utf8')).split('\n');
      expect(lines.pop()).to.equal('');
      expect(JSON.parse(lines[index] ?? '')).to.deep.equal(event);
    }
    await view.close();
  });

  it('take stdout with --events -, and the line for a person goes to stderr', async () => {
    const collected = collectedIo(['--quiet']);
    const view = chooseView(collected.io, { events: '-' });
    for (const event of SUCCESS) view.show(event);
    await view.close();
    const lines = collected.stdout().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal(SUCCESS);
    expect(collected.stderr()).to.match(/^v12 is live at \S+/);
  });

  it('hold no secret', async () => {
    const collected = collectedIo(['--quiet']);
    const view = chooseView(collected.io, { events: '-' });
    for (const event of HOSTILE) view.show(event);
    await view.close();
    expect(collected.stdout()).to.include('***').and.not.include('fm2_lJPEC');
  });

  it('are refused as usage, before anything happens, where they can not go', () => {
    const refusal = (argv: string[], events: string) => {
      try {
        chooseView(collectedIo(argv).io, { events });
      } catch (error) {
        return error as DeployerError;
      }
      return expect.fail('it was taken');
    };
    const missing = refusal([], join(folder.path, 'no/such/folder/events'));
    expect(missing).to.include({ code: 'usage', exit: 2 });
    expect(missing.message).to.match(/^--events: .+ can't be written: it is not there, .+\(ENOENT\)/);
    expect(refusal([], folder.path).message).to.match(
      /^--events: .+ can't be written: it is a folder \(EISDIR\)/,
    );
    expect(refusal(['--json'], '-').message).to.equal('--events - and --json can not share stdout');
  });

  it('that the disk has no room for are given up with a word, and the deploy goes on', async function () {
    if (process.platform !== 'linux') this.skip(); // /dev/full is Linux's
    const full = join(folder.path, 'full');
    await symlink('/dev/full', full);
    const collected = collectedIo(['--json', '--quiet']);
    const view = chooseView(collected.io, { events: full });
    for (const event of SUCCESS) view.show(event);
    await view.close();
    expect(collected.stderr()).to.match(/^warning: no more events are written \(--events\): ENOSPC[^\n]*\n$/);
  });

  describe('in GitHub Actions', () => {
    it('are annotations for warnings and the failure, and a summary', async () => {
      const summary = join(folder.path, 'summary.md');
      const env = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary };
      const good = collectedIo([], env);
      const goodView = chooseView(good.io, {});
      for (const event of SUCCESS) goodView.show(event);
      await goodView.close();
      expect(good.stderr()).to.include(
        '::warning title=deployer::fly.toml:3: vm has no effect in this version\n',
      );
      expect(good.stderr()).not.to.include('::error');
      const text = await readFile(summary, 'utf8');
      expect(text).to.include('### example v12&#58; succeeded\n').and.include('| Took | 15.0s |');

      const bad = collectedIo([], env);
      const badView = chooseView(bad.io, {});
      for (const event of IMAGE_NOT_FOUND) badView.show(event);
      await badView.close();
      expect(bad.stderr(), 'said where every failure is').not.to.include('::error');
      present(errorOf(IMAGE_NOT_FOUND), bad.io);
      expect(bad.stderr()).to.include(
        '::error title=deployer::failed to fetch an image or build from source: Could not find image "registry.fly.io/example:tag"%0ATags there: main-41, main-42, latest\n',
      );
      expect(await readFile(summary, 'utf8')).to.include('### Deploy failed&#58; failed to fetch');
    });

    it('give what comes from outside no markup and no command', async () => {
      const summary = join(folder.path, 'summary.md');
      const collected = collectedIo([], { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary });
      const view = chooseView(collected.io, {});
      for (const event of HOSTILE) view.show(event);
      await view.close();
      present(errorOf(HOSTILE), collected.io);
      expect(await readFile(summary, 'utf8')).not.to.match(/<img|\]\(|`|::/);
      expect(collected.stderr()).to.include('::error title=deployer::::error::x | <img');
      expect(collected.stderr()).not.to.match(/\n::error::/);
    });

    it('leave the failure of every command to one place, and stdout under --json to the document', () => {
      const quiet = collectedIo(['--json', '--quiet'], { GITHUB_ACTIONS: 'true' });
      present(errorOf(IMAGE_NOT_FOUND), quiet.io);
      expect(quiet.stderr()).to.match(/^::error title=deployer::[^\n]*\n$/);
      expect(JSON.parse(quiet.stdout())).to.have.nested.property('error.code', 'tag_not_found');
      const elsewhere = collectedIo([], {});
      present(errorOf(IMAGE_NOT_FOUND), elsewhere.io);
      expect(elsewhere.stderr()).not.to.include('::error');
    });

    it('keep a summary that can not be written from harm', async () => {
      const collected = collectedIo([], { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: folder.path });
      const view = chooseView(collected.io, {});
      for (const event of SUCCESS) view.show(event);
      await view.close();
      expect(collected.stderr()).to.include('warning: no summary is written (GITHUB_STEP_SUMMARY): EISDIR');
    });

    it('are free of commands whatever the text, and an annotation is one line', () => {
      const text = fc
        .array(fc.constantFrom('::', ':', '##', '[', ' ', '\n', '\r', 'x', '%', ','))
        .map((parts) => parts.join(''));
      fc.assert(
        fc.property(text, (outside) => {
          for (const line of withoutCommands(outside).split(/[\r\n]/)) {
            expect(line.trimStart().startsWith('::'), line).to.equal(false);
            expect(line).not.to.include('##[');
          }
          expect(annotation('error', outside, outside)).not.to.match(/[\r\n]/);
        }),
      );
    });
  });
});

/** What the command ends with. */
function errorOf(events: readonly TimedDeployEvent[]): DeployerError {
  const end = events.at(-1) as { readonly error: ErrorDocument };
  return new DeployerError(end.error.code, end.error.message, end.error);
}
