import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startDockerEngine } from '../support/docker-engine.js';
import { PROJECT } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { RUN_VARIABLE, survivorsOf } from '../support/survivors.mjs';
import { makeTempFolder } from '../support/temp-folder.js';

interface Shown {
  readonly code: number | null;
  /** stdout and stderr, as they came. */
  readonly text: string;
  readonly seconds: number;
}

/**
 * Runs `npm run demo`'s script and sees to it that no process and no file stays behind, however it ended.
 * @param interruptAt text at which it is told to stop
 */
async function runDemo(
  dockerHost: string,
  { interruptAt, args = [] }: { readonly interruptAt?: string; readonly args?: readonly string[] } = {},
): Promise<Shown> {
  await using temp = await makeTempFolder('demo');
  const run = randomUUID();
  const begun = performance.now();
  const child = spawn(process.execPath, [join(PROJECT, 'scripts/demo.mjs'), ...args], {
    // As at a terminal, whose Ctrl-C reaches the whole group.
    detached: true,
    env: {
      PATH: process.env['PATH'],
      HOME: temp.path,
      TMPDIR: temp.path,
      DOCKER_HOST: dockerHost,
      [RUN_VARIABLE]: run,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      const interrupts = interruptAt !== undefined && !text.includes(interruptAt);
      text += more;
      if (interrupts && text.includes(interruptAt)) process.kill(-(child.pid ?? NaN), 'SIGINT');
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const seconds = (performance.now() - begun) / 1000;
  expect(survivorsOf(run), text).to.deep.equal([]);
  const left = await readdir(temp.path);
  expect(
    left.filter((name) => name.startsWith('deployer')),
    text,
  ).to.deep.equal([]);
  return { code, text, seconds };
}

const NO_ENGINE = 'unix:///nonexistent/docker.sock';

describe('the demo', function () {
  this.timeout(90_000);

  it('shows the failing deploy and the succeeding one without an engine too, and leaves nothing', async () => {
    const { code, text, seconds } = await runDemo(NO_ENGINE);
    expect(code, text).to.equal(0);
    expect(seconds).to.be.below(60);
    expect(text).to.match(/Could not find image "localhost:\d+\/hello:v1"/);
    expect(text).to.contain('OCI index found, but accept header does not support OCI indexes');
    expect(text).to.contain('(exit code 3)').and.to.contain('v1 is live');
    expect(text).to.contain('The machine is a record, its checks are simulated (machines are simulated: no ');
  });

  it('leaves nothing when it is stopped in the middle', async () => {
    const { code, text } = await runDemo(NO_ENGINE, { interruptAt: '# Today:' });
    expect(code, text).to.equal(130);
    expect(text).to.match(/# Interrupted; nothing is left running\.\n$/);
    expect(text).not.to.match(/^ {4}at /m);
  });

  it('says why its platform does not start, and how to do without an engine, in no stack', async () => {
    const [{ code, text }, without] = await Promise.all([
      runDemo('banana'),
      runDemo('banana', { args: ['--runtime', 'none'] }),
    ]);
    expect(code, text).to.equal(1);
    expect(text).to.contain(
      '✖ the platform did not start; without a Docker Engine: npm run demo -- --runtime none\n',
    );
    expect(text)
      .to.contain('DOCKER_HOST: "banana" can\'t be used')
      .and.not.match(/^ {4}at |SyntaxError/m);
    expect(without.code, without.text).to.equal(0);
    expect(without.text).to.contain('(machines are simulated, as asked for)');
  });

  describe('with a Docker Engine', () => {
    requires('docker-engine');

    it('runs the image as a container and asks it at its URL', async () => {
      await using engine = await startDockerEngine();
      const { code, text, seconds } = await runDemo(engine.dockerHost);
      expect(code, text).to.equal(0);
      expect(seconds).to.be.below(60);
      expect(text).to.match(/v1 is live at (http:\/\/127\.0\.0\.1:\d+)\n/);
      expect(text).to.match(
        /\$ curl http:\/\/127\.0\.0\.1:\d+\nHello\. I was found, deployed, and I am healthy\.\n/,
      );
      expect(await engine.docker.listContainers({ all: true })).to.deep.equal([]);
      expect(await engine.docker.listImages({ all: true })).to.deep.equal([]);

      const interrupted = await Promise.all(
        ['v1 is live', '==> Release v1'].map((interruptAt) => runDemo(engine.dockerHost, { interruptAt })),
      );
      for (const each of interrupted) expect(each.code, each.text).to.equal(130);
      expect(await engine.docker.listContainers({ all: true })).to.deep.equal([]);
      expect(await engine.docker.listImages({ all: true })).to.deep.equal([]);
    });

    it('does without one that can publish no port, and says so', async () => {
      await using engine = await startDockerEngine({ bridge: false });
      const { code, text, seconds } = await runDemo(engine.dockerHost);
      expect(code, text).to.equal(0);
      expect(seconds).to.be.below(60);
      expect(text).to.contain('has no bridge network: no port of a container can be reached');
    });
  });
});
