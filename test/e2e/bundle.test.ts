import { execFile } from 'node:child_process';
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { PROJECT, runProgram } from '../support/program.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';

interface Metafile {
  readonly outputs: Readonly<
    Record<
      string,
      {
        readonly entryPoint?: string;
        readonly imports: readonly { readonly path: string; readonly kind: string }[];
        readonly inputs: Readonly<Record<string, unknown>>;
      }
    >
  >;
}

// The last four are what oclif prints with, which few runs need.
const HEAVY = [
  ...['undici', 'dockerode', 'docker-modem', 'listr2', 'ora'],
  ...['ansis', 'clean-stack', 'ejs', 'wrap-ansi'],
];

describe('the bundle', () => {
  it('loads no heavy module before a command uses it', async () => {
    const text = await readFile(join(PROJECT, 'dist/bundle/metafile.json'), 'utf8');
    const { outputs } = JSON.parse(text) as Metafile;
    const loadedWith = (chunk: string, seen = new Set<string>()): Set<string> => {
      if (seen.has(chunk)) return seen;
      seen.add(chunk);
      for (const { path, kind } of outputs[chunk]?.imports ?? []) {
        if (kind === 'import-statement') loadedWith(path, seen);
      }
      return seen;
    };
    const entries = Object.keys(outputs).filter((chunk) =>
      /^src\/(cli|commands)\//.test(outputs[chunk]?.entryPoint ?? ''),
    );
    expect(entries).to.include('dist/bundle/main.js');
    const heavy = entries.flatMap((entry) =>
      [...loadedWith(entry)]
        .flatMap((chunk) => Object.keys(outputs[chunk]?.inputs ?? {}))
        .filter((input) => HEAVY.some((name) => input.includes(`node_modules/${name}/`)))
        .map((input) => `${entry} loads ${input}`),
    );
    expect(heavy).to.deep.equal([]);
  });

  it('has nothing of the gRPC and the SSH that dockerode brings, which have their own way here', async () => {
    const text = await readFile(join(PROJECT, 'dist/bundle/metafile.json'), 'utf8');
    expect(text).to.include('node_modules/dockerode/lib/docker.js');
    expect(text).not.to.match(/node_modules\/(?:@grpc|protobufjs|ssh2|tar-fs)\//);
  });

  it('says its version the same way with and without oclif', async () => {
    const quick = await runProgram(['--version']);
    const throughOclif = await runProgram(['--version', '--json']);
    expect(quick.stdout).to.match(/^@deployer\/cli\/\d+\.\d+\.\d+ \S+ node-v\d+\.\d+\.\d+\n$/);
    expect(quick).to.deep.equal(throughOclif);
    expect(await runProgram(['-v'])).to.deep.equal(quick);
  });

  for (const args of [['--help'], ['image', '--help'], ['image', 'inspect', '--help'], ['help', 'deploy']]) {
    it(`shows for "deployer ${args.join(' ')}" what oclif shows of the commands that are not bundled`, async () => {
      const looks: Record<string, string>[] = [{ NO_COLOR: '1' }, { FORCE_COLOR: '1', OCLIF_COLUMNS: '60' }];
      for (const env of looks) {
        const bundled = await runProgram(args, { env });
        const main = JSON.stringify(join(PROJECT, 'dist/cli/main.js'));
        const unbundled = `import { run } from ${main}; await run(process.argv.slice(1), ${JSON.stringify(PROJECT)});`;
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--input-type=module', '--eval', unbundled, '--', ...args],
          { env: { ...process.env, ...env } },
        );
        expect(stdout).to.contain('USAGE');
        expect(bundled.stdout).to.equal(stdout);
      }
    });
  }

  const mistakes: readonly (readonly [string, string])[] = [
    ['image inspct example:v1', 'image inspct" is not a command of deployer; did you mean "image inspect"?'],
    ['deplyo', '"deplyo" is not a command of deployer; did you mean "deploy"?'],
    ['image frobnicate', '"image frobnicate" is not a command of deployer\n  Try: deployer image --help'],
    ['frobnicate', '"frobnicate" is not a command of deployer\n  Try: deployer --help'],
  ];
  for (const [typed, told] of mistakes) {
    it(`ends "deployer ${typed}" with 2 and what helps`, async () => {
      const { code, stdout, stderr } = await runProgram(typed.split(' '));
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.contain(told);
    });
  }
});

describe("the bundle's code cache", () => {
  let copy: TempFolder;
  beforeEach(async () => {
    copy = await makeTempFolder('package');
    for (const part of ['bin', 'dist/bundle', 'package.json']) {
      await cp(join(PROJECT, part), join(copy.path, part), { recursive: true });
    }
  });
  afterEach(() => copy.remove());

  const scripts = async (): Promise<{ accepted: number; refused: number; stdout: string }> => {
    const probe = join(copy.path, 'probe.cjs');
    await writeFile(
      probe,
      `const vm = require('node:vm');
       const count = { accepted: 0, refused: 0 };
       vm.Script = class extends vm.Script {
         constructor(source, options) {
           super(source, options);
           if (options.cachedData) count[this.cachedDataRejected ? 'refused' : 'accepted'] += 1;
         }
       };
       process.on('exit', () => process.stderr.write(JSON.stringify(count)));`,
    );
    const { code, stdout, stderr } = await runProgram(['image', '--help'], {
      root: copy.path,
      nodeArgs: ['--require', probe],
    });
    expect(code).to.equal(0);
    return { ...(JSON.parse(stderr) as { accepted: number; refused: number }), stdout };
  };

  it('is taken by V8 for every pack of chunks', async () => {
    const { accepted, refused } = await scripts();
    expect(accepted).to.be.greaterThan(0);
    expect(refused).to.equal(0);
  });

  it('is of packs in ASCII, which are read as Latin-1 here and as UTF-8 by another V8', async () => {
    const bundle = join(copy.path, 'dist/bundle');
    const packs = (await readdir(bundle)).filter((name) => name.endsWith('.pack.js'));
    expect(packs).to.include('start.pack.js');
    for (const name of packs) {
      const bytes = await readFile(join(bundle, name));
      expect(
        bytes.findIndex((byte) => byte > 0x7f),
        name,
      ).to.equal(-1);
    }
  });

  it('is not needed: damaged, or made by another V8, the program does the same without a word', async () => {
    const { stdout } = await scripts();
    const bundle = join(copy.path, 'dist/bundle');
    for (const name of await readdir(bundle)) {
      if (name.endsWith('.cache')) await truncate(join(bundle, name), 100);
    }
    const damaged = await scripts();
    expect(damaged.accepted).to.equal(0);
    expect(damaged.stdout).to.equal(stdout);

    const toldFile = join(bundle, 'code-cache.json');
    const { packs } = JSON.parse(await readFile(toldFile, 'utf8')) as { packs: Record<string, string> };
    await writeFile(toldFile, JSON.stringify({ v8: '1.2.3.4', packs }));
    // Node's own cache is of two packs sooner than of all that is in them.
    const packed = Object.keys(packs).filter((chunk) => chunk !== 'main.js');
    expect(packed).not.to.have.lengthOf(0);
    await Promise.all(packed.map((chunk) => rm(join(bundle, chunk))));
    expect(await scripts()).to.deep.equal({ accepted: 0, refused: 0, stdout });
  });
});
