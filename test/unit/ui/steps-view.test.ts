import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { requires } from '../../support/requirements.js';
import { screenOf } from '../../support/terminal-screen.js';

const PLAYER = fileURLToPath(new URL('../../support/play-story.ts', import.meta.url));

interface PlayOptions {
  readonly flags?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stty?: string;
}

/** What a terminal shows of a deploy, and all that it was sent. */
async function play(story: string, options: PlayOptions = {}) {
  const stty = options.stty ?? 'stty cols 160 rows 40';
  const command = `${stty}; ${process.execPath} --import tsx ${PLAYER} ${story} ${options.flags ?? ''}`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...options.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let sent = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (sent += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code, sent).to.equal(0);
  return { sent, screen: screenOf(sent) };
}

const SHOW_CURSOR = '\u001b[?25h';
const HIDE_CURSOR = '\u001b[?25l';

const UNTIL_RELEASE = [
  '✔ Verify configuration                          fly.toml',
  '  › warning: fly.toml:3: vm has no effect in this version',
  "✔ Searching for image 'registry.fly.io/example:tag' remotely...   image found: OCI index sha256:9984b97e…, linux/amd64 + attestation   0.4s",
  '✔ Adapt image to fly                            none needed: fly takes indexes',
  '↓ Build image                                   skipped: found remotely',
  '↓ Push image                                    skipped: already there',
];

describe('A deploy on a terminal', function () {
  requires('linux', 'script');
  this.timeout(20_000);

  it('is a line per step, with what came of it and how long it took, and then the result', async () => {
    const { screen, sent } = await play('SUCCESS');
    expect(screen).to.deep.equal([
      ...UNTIL_RELEASE,
      '✔ Release v12 (rolling, 3 machines)             3/3 healthy   14.2s',
      'v12 is live at https://example.fly.dev   (previous: v11; deployer release rollback v11)',
      'ends with failure: false',
    ]);
    expect(sent, 'the progress is seen on the way').to.include('1/3 healthy').and.include('2/3 healthy');
    expect(sent.lastIndexOf(SHOW_CURSOR)).to.be.above(sent.lastIndexOf(HIDE_CURSOR));
  });

  it('ends with the failing step, under which the error is told', async () => {
    const { screen } = await play('IMAGE_NOT_FOUND');
    expect(screen).to.deep.equal([
      '✔ Verify configuration                          fly.toml',
      "✖ Searching for image 'registry.fly.io/example:tag' remotely...",
      'ends with failure: true',
    ]);
  });

  it('keeps under the release why it failed, what came back, and what the command said meanwhile', async () => {
    const { screen } = await play('ROLLED_BACK', { env: { PLAY_INTERJECT: '1' } });
    expect(screen).to.deep.equal([
      ...UNTIL_RELEASE,
      '✖ Release v12 (rolling, 3 machines)',
      '  › Interrupted: putting v11 back',
      '  › machine e784079b exited with code 1; putting v11 back',
      '  › v11 runs again on 3 machines',
      'ends with failure: true',
    ]);
  });

  it('is coloured, but not with --no-color or NO_COLOR', async () => {
    const colour = /\u001b\[[39]\d?m/;
    expect((await play('IMAGE_NOT_FOUND')).sent).to.match(colour);
    expect((await play('IMAGE_NOT_FOUND', { flags: '--no-color' })).sent).not.to.match(colour);
    expect((await play('IMAGE_NOT_FOUND', { env: { NO_COLOR: '1' } })).sent).not.to.match(colour);
  });

  it('is drawn on stderr, also when stdout goes elsewhere', async () => {
    const { screen } = await play('IMAGE_NOT_FOUND', { flags: '> /dev/null' });
    expect(screen).to.deep.equal([
      '✔ Verify configuration                          fly.toml',
      "✖ Searching for image 'registry.fly.io/example:tag' remotely...",
      'ends with failure: true',
    ]);
  });

  it('leaves the cursor to be seen when the process ends in the middle', async () => {
    const { sent } = await play('SUCCESS', { env: { PLAY_EXIT: '1' } });
    expect(sent).to.include('1/3 healthy').and.not.include('3/3 healthy');
    expect(sent.lastIndexOf(SHOW_CURSOR)).to.be.above(sent.lastIndexOf(HIDE_CURSOR));
  });

  it('is lines where lines can not be drawn over: in CI, on a dumb terminal, on one without width', async () => {
    const noDrawing: PlayOptions[] = [
      { env: { CI: 'true' } },
      { env: { TERM: 'dumb' } },
      { stty: 'stty cols 0' },
    ];
    for (const options of noDrawing) {
      const { sent } = await play('IMAGE_NOT_FOUND', options);
      expect(sent).to.include('==> Verify configuration').and.not.include('\u001b[');
    }
  });

  it('gives nothing that comes from outside power over the terminal', async () => {
    const { sent, screen } = await play('HOSTILE');
    expect(sent).not.to.include('\u001b[2J').and.not.include('\u202e').and.not.include('\u0007');
    expect(sent).not.to.include('fm2_lJPEC');
    expect(screen[0]).to.match(/^✔ Verify\[2J configuration +done$/);
  });
});
