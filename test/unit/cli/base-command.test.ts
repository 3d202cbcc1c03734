import { expect } from 'chai';
import { HostCli } from '../../support/host-cli.js';

const TOKEN = 'FlyV1 fm2_lJPECAAAAAAAAAAA,fm2_lJPETgAAAAAAAAAA';

const COMMANDS = {
  ok: `async run() {
    await this.parse(this.constructor);
    this.out('the result');
    this.note('a message');
    return { answer: 42 };
  }`,
  rejected: `async run() {
    await this.parse(this.constructor);
    throw new DeployerError('registry_denied', 'the registry refused "team/app"', {
      evidence: ['GET https://robot:hunter2@registry.test/v2/: 403', 'sent ' + process.env.FLY_API_TOKEN],
      suggestions: ['docker login registry.test'],
      details: { status: 'failed' },
      cause: new Error('socket closed', { cause: new TypeError('terminated') }),
    });
  }`,
  buggy: `async run() {
    await this.parse(this.constructor);
    return undefined.answer;
  }`,
  late: `async run() {
    await this.parse(this.constructor);
    setTimeout(() => { throw new Error('no use for ' + process.env.FLY_API_TOKEN); });
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }`,
  exact: `
    static flags = { app: string({ char: 'a' }) };
    async run() {
      await this.parse(this.constructor);
      return { answer: 42 };
    }`,
  parsed: `
    static flags = {
      when: string({ parse: async () => { throw new DeployerError('config_invalid', 'there is no such time'); } }),
      many: integer({}),
    };
    async run() {
      await this.parse(this.constructor);
      return {};
    }`,
  patient: `
    static flags = { undo: boolean(), late: boolean() };
    async run() {
      const { flags } = await this.parse(this.constructor);
      this.undoing = 'putting v11 back';
      const signal = this.signal;
      const idle = setInterval(() => {}, 1000);
      this.io.stderr.write('ready\\n');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      if (!flags.undo) await new Promise(() => {});
      clearInterval(idle);
      this.note('v11 is back');
      if (flags.late) return { answer: 42 };
      signal.throwIfAborted();
    }
    async finally(error) {
      await super.finally(error);
      this.io.stderr.write('finally ran\\n');
    }`,
  'image/inspect': `async run() { await this.parse(this.constructor); return {}; }`,
  chatty: `async run() {
    await this.parse(this.constructor);
    for (let line = 0; line < 5000; line++) {
      this.out('line ' + line);
      if (line % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.note('came to the end');
    return {};
  }`,
};

describe('A command', function () {
  this.timeout(20_000);
  let cli: HostCli;

  before(async () => {
    cli = await HostCli.create(COMMANDS);
  });
  after(() => cli.remove());

  it('says results on stdout and messages on stderr, and the messages not under --quiet', async () => {
    const loud = await cli.run(['ok']);
    expect(loud).to.deep.equal({ code: 0, stdout: 'the result\n', stderr: 'a message\n' });
    const quiet = await cli.run(['ok', '--quiet']);
    expect(quiet).to.deep.equal({ code: 0, stdout: 'the result\n', stderr: '' });
  });

  it('answers --json with one document and nothing else on stdout', async () => {
    const { code, stdout } = await cli.run(['ok', '--json']);
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({ answer: 42 });
  });

  it('explains a failure on stderr, without secrets, and ends with its exit code', async () => {
    const { code, stdout, stderr } = await cli.run(['rejected'], { env: { FLY_API_TOKEN: TOKEN } });
    expect(code).to.equal(4);
    expect(stdout).to.equal('');
    expect(stderr).to.equal(
      [
        '✖ the registry refused "team/app"',
        '  GET https://robot:***@registry.test/v2/: 403',
        '  sent ***',
        '  Try: docker login registry.test',
        '',
      ].join('\n'),
    );
  });

  it('names the chain of causes under --verbose', async () => {
    const { stderr } = await cli.run(['rejected', '--verbose']);
    expect(stderr).to.include('  caused by: Error: socket closed\n  caused by: TypeError: terminated\n');
  });

  it('keeps the exit code under --json, with the error and its details as the document', async () => {
    const { code, stdout, stderr } = await cli.run(['rejected', '--json'], { env: { FLY_API_TOKEN: TOKEN } });
    expect(code, 'oclif core 4 alone ends with 1').to.equal(4);
    expect(stderr).to.match(/^✖ the registry refused "team\/app"\n/);
    expect(JSON.parse(stdout)).to.deep.equal({
      error: {
        code: 'registry_denied',
        message: 'the registry refused "team/app"',
        evidence: ['GET https://robot:***@registry.test/v2/: 403', 'sent ***'],
        suggestions: ['docker login registry.test'],
        exitCode: 4,
      },
      status: 'failed',
    });
  });

  it('says its failure on stderr too under --json, unless --quiet leaves the document alone', async () => {
    const [loud, quiet] = await Promise.all([
      cli.run(['rejected', '--json']),
      cli.run(['rejected', '--json', '--quiet']),
    ]);
    expect(loud.stderr).to.match(
      /^✖ the registry refused .*\n.*\n.*\n {2}Try: docker login registry\.test\n$/,
    );
    expect(quiet.stderr).to.equal('');
    expect(quiet.stdout).to.equal(loud.stdout);
  });

  it('answers a parse error under --json with usage, exit 2, and none of the configuration', async () => {
    const { code, stdout } = await cli.run(['exact', '--json', '--ap', 'value-of-a-flag']);
    expect(code, 'oclif core 4 alone ends with 1').to.equal(2);
    const document = JSON.parse(stdout) as { error: Record<string, unknown> };
    expect(document).to.have.all.keys('error');
    expect(document.error).to.have.all.keys('code', 'message', 'suggestions', 'exitCode');
    expect(document.error).to.include({ code: 'usage', exitCode: 2 });
    expect(document.error['message']).to.equal('there is no flag --ap; did you mean --app?');
    expect(stdout, 'oclif core 4 alone prints its configuration').not.to.include(cli.folder);
  });

  it('answers a parse error for a person in one breath, with exit 2', async () => {
    const { code, stdout, stderr } = await cli.run(['exact', '--ap']);
    expect(code).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.equal(
      '✖ there is no flag --ap; did you mean --app?\n  Try: host exact [FLAGS]\n  Try: host exact --help\n',
    );
  });

  it("names the flag whose value was refused, in the value's own words", async () => {
    const own = await cli.run(['parsed', '--when', 'x', '--json']);
    expect(JSON.parse(own.stdout)).to.deep.equal({
      error: {
        code: 'config_invalid',
        message: '--when: there is no such time',
        suggestions: [],
        exitCode: 2,
      },
    });
    const byOclif = await cli.run(['parsed', '--many', 'x']);
    expect(byOclif.stderr).to.match(/^✖ --many is "x"; expected an integer\n/);
  });

  it('calls an error that nobody foresaw a bug, with exit 1 and the stack only under --verbose', async () => {
    const short = await cli.run(['buggy']);
    expect(short.code).to.equal(1);
    expect(short.stderr).to.match(/^✖ unexpected error: Cannot read properties of undefined/);
    expect(short.stderr).to.include('this is a bug in deployer').and.not.include('buggy.js');
    const long = await cli.run(['buggy', '--verbose']);
    expect(long.stderr).to.include('buggy.js');
    const json = await cli.run(['buggy', '--json']);
    expect(json.code).to.equal(1);
    expect(JSON.parse(json.stdout)).to.have.nested.property('error.code', 'unexpected');
  });

  it('explains what was thrown past it too, with no stack and no secret', async () => {
    const { code, stderr } = await cli.run(['late'], { env: { FLY_API_TOKEN: TOKEN } });
    expect(code).to.equal(1);
    expect(stderr).to.match(/^✖ unexpected error: no use for \*\*\*\n {2}Try: this is a bug[^\n]*\n$/);
  });

  it('does not stop because the reader of its output went away', async () => {
    const { spawnSync } = await import('node:child_process');
    const tsx = new URL('../../../node_modules/tsx/dist/esm/index.mjs', import.meta.url).href;
    const result = spawnSync(
      'bash',
      ['-c', `node --import ${tsx} ${cli.folder}/run.js chatty | head -1; echo "\${PIPESTATUS[0]}"`],
      { encoding: 'utf8' },
    );
    expect(result.stdout).to.equal('line 0\n0\n');
    expect(result.stderr).to.equal('came to the end\n');
  });

  describe('that is interrupted', () => {
    it('says what it undoes, undoes it, and ends with 130 and code interrupted', async () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        const { code, stdout, stderr } = await cli.run(['patient', '--undo', '--json'], {
          onStderr: once('ready\n', (kill) => kill(signal)),
        });
        expect(code).to.equal(130);
        expect(stderr).to.equal(
          'ready\nInterrupted: putting v11 back; press Ctrl-C again to stop at once\nv11 is back\n✖ interrupted by ' +
            `${signal}\nfinally ran\n`,
        );
        expect(JSON.parse(stdout)).to.have.nested.property('error.code', 'interrupted');
        expect(JSON.parse(stdout)).to.have.nested.property('error.exitCode', 130);
      }
    });

    it('stops at once at the second signal, still with a JSON document', async () => {
      const { code, stdout, stderr } = await cli.run(['patient', '--json'], {
        onStderr: (text, kill) => {
          if (text === 'ready\n') kill('SIGINT');
          // Sooner it might be the first one's echo.
          if (text.endsWith('at once\n')) setTimeout(() => kill('SIGINT'), 350);
        },
      });
      expect(code).to.equal(130);
      expect(stderr).not.to.include('v11 is back').and.not.include('finally ran');
      expect(JSON.parse(stdout)).to.have.nested.property('error.code', 'interrupted');
    });

    it('but was done by then has succeeded', async () => {
      const { code, stdout } = await cli.run(['patient', '--undo', '--late', '--json'], {
        onStderr: once('ready\n', (kill) => kill('SIGINT')),
      });
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({ answer: 42 });
    });
  });

  describe('that does not exist', () => {
    it('is answered with the one that was meant and exit 2', async () => {
      const { code, stdout, stderr } = await cli.run(['rejcted']);
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      expect(stderr).to.equal(
        '✖ "rejcted" is not a command of host; did you mean "rejected"?\n  Try: host rejected\n  Try: host --help\n',
      );
    });

    it('is answered so under --json too, and within a topic, with its arguments aside', async () => {
      const { code, stdout } = await cli.run(['image', 'inspct', 'alpine:3', '--json']);
      expect(code).to.equal(2);
      expect(JSON.parse(stdout)).to.deep.equal({
        error: {
          code: 'usage',
          message: '"image inspct" is not a command of host; did you mean "image inspect"?',
          suggestions: ['host image inspect', 'host --help'],
          exitCode: 2,
        },
      });
    });

    it('is not guessed at when nothing is near', async () => {
      const { code, stderr } = await cli.run(['xyzzy']);
      expect(code).to.equal(2);
      expect(stderr).to.equal('✖ "xyzzy" is not a command of host\n  Try: host --help\n');
    });

    it('because a flag came first, is answered with the order', async () => {
      const { code, stderr } = await cli.run(['--quiet', 'ok']);
      expect(code).to.equal(2);
      expect(stderr).to.include('--quiet comes before the command');
    });
  });
});

describe('A command in a host that runs oclif itself', function () {
  this.timeout(20_000);
  let cli: HostCli;

  before(async () => {
    cli = await HostCli.create(COMMANDS, 'oclif');
  });
  after(() => cli.remove());

  it('presents its failure once and ends with its exit code', async () => {
    const { code, stderr } = await cli.run(['rejected']);
    expect(code).to.equal(4);
    expect(stderr.match(/refused/g)).to.have.length(1);
    expect(stderr).not.to.include('EEXIT');
    const json = await cli.run(['rejected', '--json']);
    expect(json.code).to.equal(4);
    expect(json.stderr.match(/refused/g)).to.have.length(1);
    expect(JSON.parse(json.stdout)).to.have.nested.property('error.code', 'registry_denied');
  });

  it('leaves what the host says to an unknown command alone', async () => {
    const { code, stderr } = await cli.run(['rejcted']);
    expect(code).to.equal(2);
    expect(stderr).to.include('command rejcted not found');
  });
});

/** Acts at the moment when stderr first is `text`. */
function once(text: string, act: (kill: (signal: NodeJS.Signals) => void) => void) {
  return (stderr: string, kill: (signal: NodeJS.Signals) => void) => {
    if (stderr === text) act(kill);
  };
}
