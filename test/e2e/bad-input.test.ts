import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { htmlPage, startHostileServer, type HostileServer } from '../support/hostile-server.js';
import { PROJECT, type Finished } from '../support/program.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

interface BadInput {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly exit?: number;
  /** What stdout says, where it says something. */
  readonly stdout?: RegExp;
  /** What stderr says. */
  readonly says: RegExp;
}

const DEPLOY = ['deploy', '-a', 'shop', '-i', 'example:v1'];

const NOT_UNDERSTOOD: Readonly<Record<string, BadInput>> = {
  'no app': {
    args: ['deploy', '-i', 'example:v1'],
    says: /^✖ which app\? none is named\n.*--app.*DEPLOYER_APP/,
  },
  'no image': {
    args: ['deploy', '-a', 'shop'],
    says: /^✖ there is no image to deploy: name it with --image\n {2}Try: deployer deploy --image registry\.fly\.io\/shop:v1 --app shop\n/,
  },
  'no image for what is built': {
    args: ['deploy', './a folder', '--app', 'hello'],
    says: /^✖ there is no image to deploy: .+\n {2}Try: deployer deploy '\.\/a folder' --image registry\.fly\.io\/hello:v1 --app hello\n/,
  },
  'a reference that is none': {
    args: ['deploy', '-a', 'shop', '-i', 'Shop//v1'],
    says: /^✖ "Shop\/\/v1" is no image reference: /,
  },
  'an image in a stream': {
    args: ['deploy', '-a', 'shop', '-i', 'docker-archive:-'],
    says: /^✖ "docker-archive:-": an archive is a file here, no stream\n {2}Try: name a file: docker-archive:FILE\n/,
  },
  'a layout, asked for as a registry is': {
    args: ['deploy', '-a', 'shop', '-i', 'oci:build/image', '--accept', 'docker'],
    says: /^✖ --accept is about what a registry is asked with\n/,
  },
  'a folder to build from, beside an image in a file': {
    args: ['deploy', '.', '-a', 'shop', '-i', 'oci:build/image', '--label', 'a=b'],
    says: /^✖ CONTEXT, --label: the image is read from a file, and nothing is built\n {2}Try: leave out one/,
  },
  'an archive that is not there': {
    args: ['image', 'inspect', 'docker-archive:x.tar'],
    exit: 3,
    says: /^✖ docker-archive:x\.tar can't be read: it is not there/,
  },
  'a build flag that deploy can not read': {
    args: [...DEPLOY, '.', '--build-secret', 'npm'],
    says: /^✖ --build-secret: "npm" is not known; expected id=NAME,src=FILE or id=NAME,env=VARIABLE\n {2}Try: deployer deploy \. --image REF --build-secret id=NAME,src=FILE\n$/,
  },
  'a cache of a kind that is not known': {
    args: [...DEPLOY, '.', '--cache-to', 'type=local,dest=x'],
    says: /^✖ --cache-to: type "local" is not known; expected registry or inline\n(?: {2}Try: --cache-\S+ \S+\n)+$/,
  },
  'a folder without a Dockerfile': {
    args: ['build', '--tag', 'shop:v1'],
    says: /^✖ the Dockerfile \/\S+\/empty\/Dockerfile is not there\n {2}Try: name it: --dockerfile FILE/,
  },
  "a flag as docker's own": {
    args: [...DEPLOY, '.', '--secret', 'id=npm,src=.npmrc'],
    says: /^✖ there is no flag --secret; did you mean --build-secret\?\n {2}Try: deployer deploy /,
  },
  'an app name in capitals': {
    args: ['deploy', '-a', 'Shop', '-i', 'example:v1'],
    says: /^✖ --app is "Shop"; expected an app name/,
  },
  'one from the environment': {
    args: ['deploy', '-i', 'example:v1'],
    env: { FLY_APP: 'Shop' },
    says: /^✖ FLY_APP is "Shop"; /,
  },
  'a registry that is no host': {
    args: [...DEPLOY, '--dry-run'],
    env: { FLY_REGISTRY_HOST: 'http://localhost:25011' },
    says: /^✖ FLY_REGISTRY_HOST: "http:\/\/localhost:25011" is no HOST\[:PORT\]\n/,
  },
  'a duration that is none': {
    args: [...DEPLOY, '--lock-wait', 'soon'],
    says: /^✖ --lock-wait: "soon" is not a /,
  },
  'a timeout that is none': {
    args: [...DEPLOY, '--wait-timeout', '5'.repeat(30)],
    says: /^✖ --wait-timeout is "5+"/,
  },
  'a platform that is none': {
    args: [...DEPLOY, '--platform', 'amd64'],
    says: /^✖ --platform: "amd64" is no /,
  },
  'a target that is planned': {
    args: [...DEPLOY, '-t', 'swarm'],
    says: /^✖ --target is "swarm"; .* not built yet/,
  },
  'a strategy that is planned': {
    args: [...DEPLOY, '--strategy', 'canary'],
    says: /^✖ --strategy is "canary"; .* not built yet; expected rolling or immediate\n/,
  },
  'a build that is forbidden': {
    args: [...DEPLOY, '--build', 'never', '--no-cache'],
    says: /^✖ --no-cache: --build never builds nothing\n/,
  },
  'a build from nothing': {
    args: [...DEPLOY, '--label', 'a=b'],
    says: /^✖ --label: there is nothing to build from\n/,
  },
  'a choice that is none': {
    args: [...DEPLOY, '--accept', 'oci'],
    says: /^✖ --accept is "oci"; expected all or docker\n {2}Try: deployer deploy \[CONTEXT\] \[FLAGS\]\n/,
  },
  'a variable without a value': {
    args: [...DEPLOY, '-e', 'LOG_LEVEL'],
    says: /^✖ --env LOG_LEVEL: expected NAME=/,
  },
  'an unknown flag': { args: [...DEPLOY, '--nonsense'], says: /^✖ there is no flag --nonsense\n/ },
  "docker's own letter": {
    args: ['build', '-t', 'x'],
    says: /^✖ there is no flag -t; did you mean --tag\?\n/,
  },
  'a file to build into': {
    args: ['build', '--tag', 'oci:foo', '--push'],
    says: /^✖ --tag: "oci:foo" lies in no registry, and has to here\n {2}Try: deployer build \. --tag REGISTRY\/NAME:TAG --push\n {2}Try: then make the file of it: deployer image copy REGISTRY\/NAME:TAG oci:foo\n$/,
  },
  'a flag that is nearly one': {
    args: [...DEPLOY, '--platfrom', 'linux/amd64'],
    says: /^✖ there is no flag --platfrom; did you mean --platform\?\n/,
  },
  'two flags that exclude each other': {
    args: [...DEPLOY, '--quiet', '--verbose'],
    says: /^✖ --(?:quiet and --verbose|verbose and --quiet) exclude each other\n/,
  },
  'a flag without its value': {
    args: ['deploy', '-i', 'example:v1', '--app'],
    says: /^✖ --app needs a value\n {2}Try: deployer deploy \[CONTEXT\] \[FLAGS\]\n {2}Try: deployer deploy --help\n$/,
  },
  'a choice without its value': { args: [...DEPLOY, '--accept'], says: /^✖ --accept needs a value: all or / },
  'a switch with a value': {
    args: [...DEPLOY, '--json=1'],
    says: /^✖ --json takes no value, and was given "1"\n/,
  },
  'no argument': {
    args: ['image', 'inspect'],
    says: /^✖ REFERENCE is missing\n {2}Try: deployer image inspect REFERENCE \[FLAGS\]\n {2}Try: .*--help\n$/,
  },
  'no argument of two': { args: ['image', 'copy'], says: /^✖ SOURCE and DESTINATION are missing\n/ },
  'no required flag': {
    args: ['image', 'convert', 'example:v1', 'example:v2'],
    says: /^✖ --to is missing; expected docker or oci\n/,
  },
  'more arguments than there are': {
    args: ['image', 'inspect', 'example:v1', 'example:v2'],
    says: /^✖ too many arguments: ".*example:v2"\n/,
  },
  'bytes as a document': {
    args: ['image', 'inspect', 'example:v1', '--raw', '--json', '--quiet', '--no-color'],
    stdout: /"message": "--raw and --json exclude each other"/,
    says: /^$/,
  },
  'a platform that the target does not run': {
    args: [...DEPLOY, '--platform', 'linux/arm64'],
    exit: 5,
    says: /^✖ --platform: fly runs linux\/amd64 only, not linux\/arm64\n {2}Try: leave --platform out, or --platform linux\/amd64\n$/,
  },
  'a registry that is none': {
    args: ['image', 'inspect', 'example:v1', '--insecure-registry', 'a b'],
    says: /^✖ --insecure-registry: "a b" is no registry; expected HOST\[:PORT\]\n/,
  },
  'a registry that is a URL': {
    args: ['image', 'inspect', 'example:v1', '--insecure-registry', 'http://localhost:5000'],
    says: /^✖ --insecure-registry: "http:\/\/localhost:5000" is no registry; /,
  },
  'a digest that is cut short, behind a tag': {
    args: ['deploy', '-a', 'shop', '-i', 'localhost:5001/hello:v1@sha256:abc'],
    says: /^✖ "localhost:5001\/hello:v1@sha256:abc" is no image reference: "sha256:abc" is no digest/,
  },
  'credentials in a reference': {
    args: ['image', 'inspect', 'robot:pw@registry.example.com/app:v1'],
    says: /^✖ "\*\*\*@registry\.example\.com\/app:v1" is no image reference: .*no credentials\n.*docker login/,
  },
  'credentials, an at sign in them, in a deploy': {
    args: ['deploy', '-a', 'shop', '-i', 'robot:p@ss-word@registry.example.com/app:v1'],
    says: /^✖ "\*\*\*@registry\.example\.com\/app:v1" is no image reference: (?![^]*ss-word)/,
  },
  'credentials where there is no such argument': {
    args: ['image', 'inspect', 'example:v1', 'robot:hunter2@registry.example.com'],
    says: /^✖ too many arguments: "\*\*\*@registry\.example\.com"\n(?![^]*hunter2)/,
  },
  'credentials for a command': {
    args: ['robot:pw@registry.example.com/app'],
    says: /^✖ "\*\*\*@registry\.example\.com\/app" is not a command of deployer\n(?![^]*:pw)/,
  },
  'an argument too many': {
    args: ['deploy', '.', 'more', '-a', 'shop'],
    says: /^✖ too many arguments: "more"\n/,
  },
  'a context that is none': {
    args: [...DEPLOY, 'nowhere'],
    says: /^✖ CONTEXT: nowhere is not there\n/,
  },
  'a time to build for that is none': {
    args: [...DEPLOY, '.'],
    env: { SOURCE_DATE_EPOCH: '2026-11-28' },
    says: /^✖ SOURCE_DATE_EPOCH: "2026-11-28" is no whole number of seconds since 1970\n {2}Try: .*git log/,
  },
  'plain http to another machine': {
    args: [...DEPLOY, '--api-url', 'http://api.example.com'],
    says: /^✖ --api-url: the token would go to api\.example\.com unencrypted/,
  },
  'an API that is no URL': {
    args: DEPLOY,
    env: { DEPLOYER_API_URL: 'localhost' },
    says: /^✖ DEPLOYER_API_URL: the API is named by a URL that begins with .*\n {2}Try: write http:\/\/localhost\n/,
  },
  'no token': {
    args: DEPLOY,
    env: { DEPLOYER_API_TOKEN: '' },
    exit: 4,
    says: /^✖ there is no token .*\n.*FLY_API_TOKEN/,
  },
  'a token file that is not there': {
    args: [...DEPLOY, '--token-file', 'nope'],
    says: /^✖ --token-file nope can't be read: ENOENT/,
  },
  'a token file that never ends': {
    args: [...DEPLOY, '--token-file', '/dev/zero'],
    says: /^✖ --token-file \/dev\/zero can't be read: it is larger than 64 KiB\n/,
  },
  'a token file without a name': {
    args: [...DEPLOY, '--token-file', ''],
    says: /^✖ --token-file is empty; expected a file\n/,
  },
  'a configuration without a name': {
    args: [...DEPLOY, '-c', ''],
    says: /^✖ --config is empty; expected a file\n/,
  },
  'a configuration that never ends': {
    args: [...DEPLOY, '-c', '/dev/zero'],
    says: /^✖ \/dev\/zero is larger than 1 MiB: that is no configuration\n/,
  },
  'an absolute configuration that is not there': {
    args: [...DEPLOY, '-c', '/nope/fly.toml'],
    says: /^✖ there is no file \/nope\/fly\.toml\n/,
  },
  'a place for events that is none': {
    args: [...DEPLOY, '--events', 'no/where'],
    says: /^✖ --events: .*no\/where/,
  },
  'a configuration that is not there': {
    args: [...DEPLOY, '-c', 'nope.toml'],
    says: /^✖ there is no file nope\.toml\n/,
  },
  'a configuration that is a folder': {
    args: [...DEPLOY, '-c', 'folder'],
    says: /^✖ folder can't be read: /,
  },
  'a configuration that is no TOML': {
    args: [...DEPLOY, '-c', 'broken.toml'],
    says: /^✖ broken\.toml:3:8: this is not TOML: .*\n {2}3 \| LEVEL =\n/,
  },
  'a key with the wrong kind of value': {
    args: [...DEPLOY, '-c', 'wrong.toml'],
    says: /^✖ wrong\.toml:2:\d+: http_service\.internal_port is "many"; expected a whole number/,
  },
  'a command that is nearly one': {
    args: ['deplyo', '-a', 'shop'],
    says: /^✖ "deplyo" is not a command of deployer; did you mean "deploy"\?\n {2}Try: deployer deploy\n/,
  },
  'a command without its topic': {
    args: ['rollback', 'v11'],
    says: /^✖ "rollback" is not a command of deployer; did you mean "release rollback"\?\n {2}Try: deployer release rollback\n/,
  },
  'a misspelt command without its topic': {
    args: ['inspct', 'example:v1'],
    says: /^✖ "inspct" is not a command of deployer; did you mean "image inspect"\?\n/,
  },
  'help for a command that is none': {
    args: ['help', 'deplyo'],
    says: /^✖ "deplyo" is not a command of deployer; did you mean "deploy"\?\n/,
  },
  'a command that is none, with --help': {
    args: ['xyzzy', '--help'],
    says: /^✖ "xyzzy" is not a command of deployer\n {2}Try: deployer --help\n/,
  },
  'a command that is none': {
    args: ['xyzzy'],
    says: /^✖ "xyzzy" is not a command of deployer\n {2}Try: deployer --help\n/,
  },
  'a command that its topic does not have': {
    args: ['image', 'nonsense', 'example:v1'],
    says: /^✖ "image nonsense" is not a command of deployer\n {2}Try: deployer image --help\n/,
  },
};

describe('input that can not be acted on', function () {
  this.timeout(60_000);
  let stage: Stage;
  let image: PushedImage;
  let bystander: HostileServer;

  before(async () => {
    [stage, bystander] = await Promise.all([setStage(), startHostileServer(() => htmlPage())]);
    image = await stage.push('v1');
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await bystander.stop();
  });

  it('is named, with exit 2 (6 for a build, 5 for what the target does not run, 4 without a token, 3 without the file), before anything is asked of anyone', async () => {
    const folder = join(stage.folder, 'empty');
    for (const name of ['folder', 'a folder']) await mkdir(join(folder, name), { recursive: true });
    await mkdir(join(folder, '.git'), { recursive: true });
    await writeFile(join(folder, 'broken.toml'), 'app = "shop"\n[env]\nLEVEL =\n\n[deploy]\n');
    await writeFile(join(folder, 'wrong.toml'), '[http_service]\n  internal_port = "many"\n');
    const run = ({ args, env }: BadInput): Promise<Finished> => {
      const asked = args.map((arg) => arg.replace('example:v1', `${bystander.host}/example:v1`));
      return stage.run(asked, { cwd: folder, env: { DEPLOYER_API_URL: bystander.url, ...env } });
    };
    const cases = Object.entries(NOT_UNDERSTOOD);
    // Four at a time: each is a process.
    for (let at = 0; at < cases.length; at += 4) {
      const some = cases.slice(at, at + 4);
      const finished = await Promise.all(some.map(([, input]) => run(input)));
      for (const [nth, { code, stdout, stderr }] of finished.entries()) {
        const [name, { exit = 2, stdout: document = /^$/, says }] = some[nth] as [string, BadInput];
        expect(code, `${name}: ${stderr}`).to.equal(exit);
        expect(stdout, name).to.match(document);
        expect(stderr, name).to.match(says);
      }
    }
    expect(bystander.requests, 'requests to registry and API').to.deep.equal([]);
  });

  it('of an empty pipe is told at once: nobody will come to write into it', async function () {
    if (process.platform !== 'linux') this.skip(); // elsewhere a shell's pipe looks like any other
    const command = `exec ${process.execPath} ${PROJECT}/bin/run.js status -a shop --token-file <(true)`;
    const { status, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
    expect(status, stderr).to.equal(2);
    // Of a pipe that it has waited for it says that nothing came out of it.
    expect(stderr).to.match(/--token-file: \S+ is empty/);
  });

  it('is named when only the API can tell, and the app stays as it was', async () => {
    expect((await stage.run(['deploy', '-i', image.reference])).code).to.equal(0);
    const before = await withoutChecks(stage);
    const port = await freePort();
    const deploy = (...args: string[]): string[] => ['deploy', '-e', 'NEW=1', '-i', image.reference, ...args];
    const registry = `http://127.0.0.1:${stage.platform.emulator.registry.split(':')[1]}`;
    const noApi = ['deploy -i example:v1', 'status', 'release list', 'release show', 'release rollback'].map(
      (args) => stage.run([...args.replace('example:v1', image.reference).split(' '), '--api-url', registry]),
    );
    const [token, plain, refused, unknown, page, missing] = await Promise.all([
      stage.run(deploy(), { env: { DEPLOYER_API_TOKEN: 'not-the-token' } }),
      stage.run(['status', '--api-url', stage.platform.emulator.apiUrl.replace('http:', 'https:')]),
      stage.run(deploy('--api-url', `http://127.0.0.1:${port}`)),
      stage.run(deploy('--api-url', 'https://api.deployer.invalid')),
      stage.run(deploy('--api-url', bystander.url)),
      stage.run(['deploy', '-i', `${image.reference}-2`]),
    ]);
    expect(token.code).to.equal(4);
    expect(token.stderr).to.match(
      /✖ .* does not accept the token of DEPLOYER_API_TOKEN[^]* Try: put the token of the emulator into DEPLOYER_API_TOKEN: deployer emulator start prints/,
    );
    expect(plain.code).to.equal(12);
    expect(plain.stderr).to.match(
      /does not speak TLS[^]* {2}Try: name it http:\/\/127\.0\.0\.1:\d+: --api-url/,
    );
    expect(plain.stderr).not.to.contain('--insecure-registry');
    expect(refused.code).to.equal(12);
    expect(refused.stderr).to.match(
      RegExp(
        `✖ nothing listens at 127.0.0.1:${port}: [^]* {2}Try: deployer emulator start --api-port ${port}\\n`,
      ),
    );
    for (const { code, stderr } of await Promise.all(noApi)) {
      expect(stderr).to.match(
        /✖ no Machines API answers there[^]* {2}GET \S+\/v1\/apps\/shop: 404[^]* {2}Try: .*--api-url/,
      );
      expect(code).to.equal(12);
    }
    expect(unknown.code).to.equal(12);
    expect(unknown.stderr).to.contain("✖ the host name api.deployer.invalid can't be resolved");
    expect(page.code).to.equal(12);
    expect(page.stderr).to.match(new RegExp(`GET ${bystander.url}/v1/apps/shop`));
    expect(missing.code).to.equal(3);
    expect(missing.stderr).to.match(/^ {2}tags there: v1$/m);
    expect(await withoutChecks(stage)).to.deep.equal(before);
  });
});

/** What is known of the app's machines, without what moves by itself. */
async function withoutChecks({ machines }: Stage): Promise<unknown> {
  return (await machines('shop')).map(({ checks: _checks, ...machine }) => machine);
}
