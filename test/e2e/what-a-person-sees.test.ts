import { expect } from 'chai';
import { eventually } from '../support/eventually.js';
import { onTerminal, stable } from '../support/on-terminal.js';
import type { Finished } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

const CTRL_C = '\u0003';

describe('what a person sees of a deploy', function () {
  this.timeout(60_000);
  let stage: Stage;
  let good: PushedImage;
  let bad: PushedImage;
  let deaf: PushedImage;
  let repository: string;

  before(async () => {
    stage = await setStage();
    [good, bad, deaf] = await Promise.all([
      stage.push('good'),
      stage.push('bad', { fate: 'out of memory' }),
      stage.push('deaf', { fate: 'never healthy' }),
    ]);
    repository = good.byDigest.split('@')[0] ?? '';
  });
  after(() => stage[Symbol.asyncDispose]());

  const untilRelease = (image: PushedImage): string[] => [
    '✔ Verify configuration                          fly.toml',
    `✔ Searching for image '${image.reference}' remotely...   image found: OCI index sha256:…, linux/amd64 + attestation`,
    `✔ Adapt image to fly                            none needed: fly takes indexes; deployed as ${repository}@sha256:…`,
    '↓ Build image                                   skipped: found remotely',
    '↓ Push image                                    skipped: already there',
  ];

  const linesUntilRelease = (image: PushedImage): string[] => [
    '==> Verify configuration',
    '    fly.toml',
    `Searching for image '${image.reference}' remotely...`,
    'image found: OCI index sha256:…, linux/amd64 + attestation',
    '==> Adapt image to fly',
    `    none needed: fly takes indexes; deployed as ${repository}@sha256:…`,
    '--> Build image: skipped, found remotely',
    '--> Push image: skipped, already there',
    '==> Release v1 (first release, 1 machine created (more with min_machines_running))',
  ];

  describe('on a terminal', () => {
    requires('linux', 'script');

    it('is a line a step, and the result; of the next, what went wrong and what runs again', async () => {
      const first = await onTerminal(stage, ['deploy', '-i', good.reference]).finished;
      expect(first.code).to.equal(0);
      expect(stable(first.screen)).to.deep.equal([
        ...untilRelease(good),
        '✔ Release v1 (first release, 1 machine created (more with min_machines_running))   1/1 healthy',
        '  › app shop created in organization personal',
        '  › [1/1] machine ID: checks pass',
        'v1 is live',
      ]);
      const second = await onTerminal(stage, ['deploy', '-i', bad.reference]).finished;
      expect(second.code).to.equal(8);
      expect(stable(second.screen).slice(0, 9)).to.deep.equal([
        ...untilRelease(bad),
        '✖ Release v2 (rolling, 1 machine)',
        '  › machine ID was killed: out of memory (exit code 137); putting v1 back',
        '  › v1 is back',
        '  v2 failed: machine ID was killed: out of memory (exit code 137); v1 is back',
      ]);
    });

    it('ends, when the image is not there, in the words that users know, and what lies behind them', async () => {
      const missing = `${repository}:god`;
      const { code, screen } = await onTerminal(stage, ['deploy', '-i', missing]).finished;
      expect(code).to.equal(3);
      expect(stable(screen)).to.deep.equal([
        '✔ Verify configuration                          fly.toml',
        `✖ Searching for image '${missing}' remotely...`,
        `  failed to fetch an image or build from source: Could not find image "${missing}"`,
        `  ${missing} is not there: the registry knows the repository, but not this tag`,
        `  GET http://${repository.replace('/', '/v2/')}/manifests/god -> 404 MANIFEST_UNKNOWN: manifest unknown`,
        '  asked with: OCI index, OCI manifest, Docker manifest list, Docker manifest',
        '  tags there: good, bad, deaf',
        `  Try: deployer image inspect ${good.reference}`,
        `  Try: build it from this directory: deployer deploy . --image ${missing}`,
      ]);
    });

    it('names the app, where a flag did, in what it tells to run: it can be pasted', async () => {
      await stage.run(['deploy', '-a', 'named', '-i', good.reference]);
      const again = await stage.run(['deploy', '-a', 'named', '-i', good.reference, '-e', 'A=b']);
      expect(again.stdout).to.equal(
        'v2 is live   (previous: v1; deployer release rollback v1 --app named)\n',
      );
      const missing = `${repository}:god`;
      const { stderr } = await stage.run(['deploy', '-a', 'named', '-c', 'fly.toml', '-i', missing]);
      expect(stderr).to.contain(`deployer deploy . --image ${missing} --app named --config fly.toml\n`);
    });

    it('is plain lines where CI gives it a terminal, as without one', async () => {
      const { code, screen } = await onTerminal(stage, ['deploy', '-a', 'ci-tty', '-i', good.reference], {
        CI: 'true',
      }).finished;
      expect(code).to.equal(0);
      expect(stable(screen).slice(0, 9)).to.deep.equal(linesUntilRelease(good));
    });

    it('undoes itself at Ctrl-C, under the eyes of who pressed it', async () => {
      await stage.run(['deploy', '-a', 'stopped', '-i', good.reference]);
      const terminal = onTerminal(stage, ['deploy', '-a', 'stopped', '-i', deaf.reference]);
      await eventually(() => expect(terminal.sent()).to.contain('0/1 checks pass'));
      terminal.press(CTRL_C);
      const { code, screen } = await terminal.finished;
      expect(code).to.equal(130);
      expect(stable(screen)).to.deep.equal([
        ...untilRelease(deaf),
        '✖ Release v2 (rolling, 1 machine)',
        '  › Interrupted: putting back what was there; press Ctrl-C again to stop at once',
        '  › interrupted; putting v1 back',
        '  › v1 is back',
        '  v2 was interrupted; v1 is back',
      ]);
      expect(terminal.sent(), 'the cursor is shown again').to.match(/\u001b\[\?25h[^]*$/);
      const [machine] = await stage.machines('stopped');
      expect(machine?.config['image']).to.equal(good.byDigest);
    });
  });

  describe('in CI', () => {
    it('is plain lines, the same in every run, with the result alone on stdout', async () => {
      const deploy = (app: string, env = {}): Promise<Finished> =>
        stage.run(['deploy', '-a', app, '-i', good.reference], { env });
      const runs = await Promise.all([
        deploy('ci-one'),
        deploy('ci-two', { CI: 'true', TERM: 'xterm-256color' }),
        deploy('ci-three', { GITHUB_ACTIONS: 'true', CI: 'true' }),
      ]);
      for (const { code, stdout, stderr } of runs) {
        expect([code, stdout], stderr).to.deep.equal([0, 'v1 is live\n']);
        expect(stderr).not.to.contain('\u001b').and.not.to.contain('\r');
        const said = stable(stderr.trimEnd().split('\n'));
        expect(said.slice(0, 9)).to.deep.equal(linesUntilRelease(good));
        expect(said.slice(-3)).to.deep.equal([
          '    [1/1] machine ID: checks pass',
          '    up: watching for 0.3s whether that lasts',
          '    1/1 healthy',
        ]);
      }
    });

    it('is the result alone with --quiet', async () => {
      const { code, stdout, stderr } = await stage.run([
        'deploy',
        '-a',
        'ci-quiet',
        '-i',
        good.reference,
        '--quiet',
      ]);
      expect([code, stdout, stderr]).to.deep.equal([0, 'v1 is live\n', '']);
    });
  });
});
