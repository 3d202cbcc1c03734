import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { requires } from '../../support/requirements.js';

interface Outcome {
  readonly status: number | null;
  readonly lastLine: string | undefined;
  readonly output: string;
}

/** Runs mocha as `npm test` does, on one file that is no test of ours. */
function runCase(name: string, env: Readonly<Record<string, string>> = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/test.mjs', `./test/integration/support/runner-cases/${name}.ts`],
    { encoding: 'utf8', env: { ...process.env, DEPLOYER_TEST_PREPARED: '1', CI: '', ...env } },
  );
  return { status, lastLine: stdout.trimEnd().split('\n').at(-1), output: stdout + stderr };
}

describe('the test runner', function () {
  requires('linux');
  this.timeout(60_000);

  it('fails when a process is left behind, names it and ends it', () => {
    const { status, lastLine, output } = runCase('leaves-a-process');
    expect(output).to.match(/the tests left behind:\s+process \d+: sleep 600/);
    expect(output).to.match(/ended now: process \d+: sleep 600/);
    expect([status, lastLine]).to.deep.equal([1, '1 passed, 1 failed']);
  });

  it('fails when the test process does not end by itself', () => {
    const { status, output } = runCase('holds-on', { DEPLOYER_TEST_END_MS: '500' });
    expect(output).to.contain('the test process does not end by itself; what holds it: ');
    expect(status).to.equal(1);
  });

  it('reports tests whose part is missing as pending, by name and with the reason', () => {
    const { status, lastLine, output } = runCase('lacks-a-part', {
      DEPLOYER_TEST_WITHOUT: 'docker-registry',
    });
    expect(output).to.match(/- does the one thing\s+- does the other thing/);
    expect(output).to.contain('pending: a suite without its part: docker-registry is switched off');
    expect([status, lastLine]).to.deep.equal([0, '0 passed, 0 failed, 2 skipped']);
  });

  it('adds up what several processes say, one after the other to the last, and fails when one of them does', () => {
    const cases = ['is-not-there', 'lacks-a-part', 'leaves-a-process'].map(
      (name) => [`./test/integration/support/runner-cases/${name}.ts`] as const,
    );
    const script = `import { runLanes } from './scripts/test-lanes.mjs';
      process.exitCode = await runLanes(${JSON.stringify(cases)});`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, CI: '', DEPLOYER_TEST_WITHOUT: 'docker-registry' },
    });
    expect(stdout).to.match(
      /ended with 1 in the middle: .*is-not-there[^]*a suite without its part[^]*pending: a suite without[^]*left behind:[^]*ended now: /,
    );
    expect(stdout.match(/^\d+ passed, .*$/gm)).to.deep.equal(['1 passed, 2 failed, 2 skipped']);
    expect([status, stdout.endsWith(' skipped\n')]).to.deep.equal([1, true]);
  });

  it('fails in CI as root when a part is missing', function () {
    if (process.getuid?.() !== 0) this.skip();
    const env = { CI: 'true', DEPLOYER_TEST_WITHOUT: 'docker-registry' };
    const { status, lastLine, output } = runCase('lacks-a-part', env);
    expect(output).to.contain('a part that CI must have is missing: docker-registry is switched off');
    expect([status, lastLine]).to.deep.equal([1, '0 passed, 1 failed']);
  });
});
