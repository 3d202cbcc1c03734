// Packs the package as it would be published, installs that into an empty folder, and uses it there: as the program,
// and as a plugin of another oclif CLI. Needs a build.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'deployer-smoke-'));
try {
  install();
  smoke();
  console.log('ok     packed, installed, run and plugged into another CLI');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function install() {
  run(['npm', 'pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
  const [tarball] = readdirSync(folder);
  // Another CLI, whose only commands are its plugin's.
  writeJson('package.json', {
    name: 'host',
    version: '1.0.0',
    type: 'module',
    bin: { host: './run.js' },
    oclif: { bin: 'host', dirname: 'host', topicSeparator: ' ', plugins: ['@deployer/cli'] },
    dependencies: { '@deployer/cli': `file:${tarball}`, '@oclif/core': '*' },
  });
  writeFileSync(
    join(folder, 'run.js'),
    "import { execute } from '@oclif/core';\nawait execute({ dir: import.meta.url });\n",
  );
  run(['npm', 'install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder });
}

function smoke() {
  const deployer = join(folder, 'node_modules/.bin/deployer');
  expectRun([deployer, '--version'], { stdout: /^@deployer\/cli\/\d+\.\d+\.\d+ / });
  expectRun([deployer, '--help'], { stdout: /USAGE\s+\$ deployer \[COMMAND\]/ });
  expectRun([deployer, 'deploy', '--help'], { stdout: /--image/ });
  expectRun([deployer, 'image', 'inspect', 'team/UPPER:v1'], { status: 2, stderr: /team\/UPPER:v1/ });
  expectRun([deployer, 'image', 'inspect', 'team/UPPER:v1', '--json'], {
    status: 2,
    stdout: /"reference_invalid"/,
  });
  expectRun([deployer, 'deply'], { status: 2, stderr: /did you mean "deploy"/ });

  const host = [process.execPath, join(folder, 'run.js')];
  expectRun([...host, 'deploy', '--help'], { stdout: /\$ host deploy[\s\S]*--image/ });
  expectRun([...host, 'image', 'inspect', 'team/UPPER:v1'], { status: 2, stderr: /team\/UPPER:v1/ });

  const modules = "import('@deployer/cli/oci').then(({ parseReference: p }) => console.log(p('a:b').path))";
  expectRun([process.execPath, '-e', modules], { stdout: /^library\/a\n$/ });
  for (const name of ['registry', 'target'])
    expectRun([process.execPath, '-e', `import('@deployer/cli/${name}')`], {});
}

function writeJson(name, value) {
  writeFileSync(join(folder, name), JSON.stringify(value, null, 2));
}

function run([program, ...args], options) {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8', ...options });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function expectRun([program, ...args], { status = 0, stdout = /(?:)/, stderr = /(?:)/ }) {
  const got = spawnSync(program, args, { encoding: 'utf8', cwd: folder });
  if (got.status === status && stdout.test(got.stdout) && stderr.test(got.stderr)) return;
  const asked = [program.replace(`${folder}/`, ''), ...args].join(' ');
  throw new Error(
    `${asked}: expected exit ${status}, stdout ${stdout}, stderr ${stderr}; got exit ${got.status}\n` +
      `stdout: ${got.stdout}\nstderr: ${got.stderr}`,
  );
}
