import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { createIo } from '../../../src/ui/io.js';

/** An Io whose stderr is (or is not) a terminal. */
function ioOf(argv: readonly string[], env: Record<string, string>, isTTY = true) {
  return createIo({
    argv,
    env,
    stdout: new PassThrough(),
    stderr: Object.assign(new PassThrough(), { isTTY }),
  });
}

describe('How a command speaks', () => {
  it('is coloured on a terminal, unless someone asked for none', () => {
    expect(ioOf([], {}).color).to.equal(true);
    expect(ioOf([], {}, false).color).to.equal(false);
    expect(ioOf([], { NO_COLOR: '1' }).color).to.equal(false);
    expect(ioOf([], { NO_COLOR: '' }).color).to.equal(true);
    expect(ioOf(['deploy', '--no-color'], { FORCE_COLOR: '1' }).color).to.equal(false);
    expect(ioOf(['deploy', '--', '--no-color'], {}).color).to.equal(true);
    expect(ioOf([], { TERM: 'dumb' }).color).to.equal(false);
    expect(ioOf([], { FORCE_COLOR: '1' }, false).color).to.equal(true);
    expect(ioOf([], { FORCE_COLOR: '0' }).color).to.equal(false);
    expect(ioOf([], { FORCE_COLOR: '1', NO_COLOR: '1' }).color).to.equal(false);
  });

  it('is drawn over on a terminal only, and not in CI or on a dumb one', () => {
    expect(ioOf([], {}).interactive).to.equal(true);
    expect(ioOf([], {}, false).interactive).to.equal(false);
    expect(ioOf([], { TERM: 'dumb' }).interactive).to.equal(false);
    expect(ioOf([], { CI: 'true' }).interactive).to.equal(false);
    expect(ioOf([], { CI: 'false' }).interactive).to.equal(true);
    expect(ioOf([], { TF_BUILD: 'True' }).interactive).to.equal(false);
  });

  it('takes --json, --quiet and --verbose from before a "--" only', () => {
    expect(ioOf(['x', '--json', '--quiet'], {})).to.include({ json: true, quiet: true, verbose: false });
    expect(ioOf(['x', '--', '--json', '--verbose'], {})).to.include({ json: false, verbose: false });
  });
});
