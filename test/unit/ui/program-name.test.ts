import { expect } from 'chai';
import { asCalled, withOwnCommands } from '../../../src/ui/program-name.js';
import { createIo } from '../../../src/ui/io.js';

describe('a command that is suggested', () => {
  const ioOf = (...argv: string[]) =>
    createIo({ argv, env: {}, stdout: process.stdout, stderr: process.stderr });
  const back = 'deployer release rollback v3 -a a3';

  it('repeats how the API was named on the command line, in whatever way that is written', () => {
    const url = 'http://127.0.0.1:4313';
    for (const argv of [['--api-url', url], [`--api-url=${url}`]])
      expect(asCalled(ioOf('deploy', ...argv, '--json'), back)).to.equal(
        `deployer release rollback --api-url ${url} v3 -a a3`,
      );
    const both = ioOf('--token-file', 'my token', '--api-url', url);
    const error = { code: 'release_failed', message: '', exitCode: 9, suggestions: [back, 'try again'] };
    expect(withOwnCommands(both, error as Parameters<typeof withOwnCommands>[1]).suggestions).to.deep.equal([
      `deployer release rollback --api-url ${url} --token-file 'my token' v3 -a a3`,
      'try again',
    ]);
    expect(asCalled(both, 'deployer status -a a3')).to.match(/^deployer status --api-url .* -a a3$/);
    expect(asCalled(both, 'deployer deploy . --image REF')).to.match(
      /^deployer deploy --api-url .* \. --image REF$/,
    );
  });

  it('is as it was where nothing was named, or where the command takes no API', () => {
    expect(asCalled(ioOf('deploy'), back)).to.equal(back);
    expect(asCalled(ioOf('deploy', '--', '--api-url', 'x'), back)).to.equal(back);
    expect(asCalled(ioOf('deploy', '--api-url'), back)).to.equal(back);
    for (const text of ['deployer emulator start', 'deployer image inspect a/b', 'deployer deploy --help'])
      expect(asCalled(ioOf('deploy', '--api-url', 'http://x'), text)).to.equal(text);
  });
});
