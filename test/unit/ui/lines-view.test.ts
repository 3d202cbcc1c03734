import { expect } from 'chai';
import type { TimedDeployEvent } from '../../../src/deploy/events.js';
import { chooseView } from '../../../src/ui/choose-view.js';
import { collectedIo, type CollectedIo } from '../../support/collected-io.js';
import { HOSTILE, IMAGE_NOT_FOUND, RESULT, ROLLED_BACK, SUCCESS } from '../../support/deploy-stories.js';

async function play(
  story: readonly TimedDeployEvent[],
  collected: CollectedIo = collectedIo(),
  appFlags?: string,
) {
  const view = chooseView(collected.io, {}, appFlags);
  for (const event of story) view.show(event);
  await view.close();
  return { stdout: collected.stdout(), stderr: collected.stderr(), view };
}

const UNTIL_RELEASE = `==> Verify configuration
    warning: fly.toml:3: vm has no effect in this version
    fly.toml
Searching for image 'registry.fly.io/example:tag' remotely...
image found: OCI index sha256:9984b97e…, linux/amd64 + attestation
==> Adapt image to fly
    none needed: fly takes indexes
--> Build image: skipped, found remotely
--> Push image: skipped, already there
==> Release v12 (rolling, 3 machines)
    1/3 healthy
`;

describe('A deploy in a log', () => {
  it('is a line per change on stderr, and its result on stdout', async () => {
    const { stdout, stderr } = await play(SUCCESS);
    expect(stderr).to.equal(`${UNTIL_RELEASE}    2/3 healthy\n    3/3 healthy\n`);
    expect(stdout).to.equal(
      'v12 is live at https://example.fly.dev   (previous: v11; deployer release rollback v11)\n',
    );
  });

  it('names the app again in the command back, where the next one would not find it by itself', async () => {
    expect((await play(SUCCESS, collectedIo(), ' --app example')).stdout).to.equal(
      'v12 is live at https://example.fly.dev   (previous: v11; deployer release rollback v11 --app example)\n',
    );
  });

  it('leaves an error to who caught it, and has no result then', async () => {
    const { stdout, stderr, view } = await play(IMAGE_NOT_FOUND);
    expect(stderr).to.match(/remotely\.\.\.\n$/);
    expect(stdout).to.equal('');
    expect(view.endsWithFailure).to.equal(false);
  });

  it('tells how a release failed and what came back', async () => {
    const { stdout, stderr } = await play(ROLLED_BACK);
    expect(stderr).to.equal(
      `${UNTIL_RELEASE}    machine e784079b exited with code 1; putting v11 back\n    v11 runs again on 3 machines\n`,
    );
    expect(stdout).to.equal('');
  });

  it('is silent under --quiet but for the result, with --json altogether; a word of the command is heard', async () => {
    const quiet = await play(SUCCESS, collectedIo(['--quiet']));
    expect(quiet.stderr).to.equal('');
    expect(quiet.stdout).to.match(/^v12 is live/);
    const loud = await play(SUCCESS, collectedIo(['--json']));
    expect([loud.stdout, loud.stderr]).to.deep.equal(['', (await play(SUCCESS)).stderr]);
    const collected = collectedIo(['--json', '--quiet']);
    const json = await play(SUCCESS, collected);
    expect([json.stdout, json.stderr]).to.deep.equal(['', '']);
    json.view.interject('Interrupted: stopping');
    expect(collected.stderr()).to.equal('Interrupted: stopping\n');
  });

  it('says of a deploy that changed nothing, or was not waited for, just that', async () => {
    const end = (result: typeof RESULT): TimedDeployEvent[] => [{ type: 'done', time: '', result }];
    const { stdout: unchanged } = await play(end({ ...RESULT, status: 'unchanged' }));
    expect(unchanged).to.equal('v12 is live already at https://example.fly.dev: nothing to do\n');
    const { stdout: detached } = await play(end({ ...RESULT, status: 'detached' }));
    expect(detached).to.equal('v12 was handed over, its health not waited for: deployer status -a example\n');
    const first = { ...RESULT, release: { id: 'r1', version: 1 } };
    expect((await play(end(first))).stdout).to.equal('v1 is live at https://example.fly.dev\n');
  });

  it('gives nothing that comes from outside power over the terminal or the runner', async () => {
    const { stderr } = await play(HOSTILE, collectedIo([], { GITHUB_ACTIONS: 'true' }));

    expect(stderr).not.to.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(stderr).not.to.include('fm2_lJPEC');
    const commands = stderr.split('\n').filter((line) => /^\s*::|##\[/.test(line));
    expect(commands.filter((line) => !/^::(warning|error) title=deployer::/.test(line))).to.deep.equal([]);
    expect(stderr).to.include('    : :set-output name=token::stolen ::stop-commands::x\n');
  });
});
