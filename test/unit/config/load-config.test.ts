import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { loadAppConfig, loadConfig, type ConfigFlags } from '../../../src/config/load-config.js';
import { DeployerError, type ErrorCode } from '../../../src/lib/errors.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

const APP = 'app = "example"\n';

describe('The configuration of a deploy', () => {
  let folder: TempFolder;

  beforeEach(async () => {
    folder = await makeTempFolder('config');
    // The search must not leave the test's folder.
    await mkdir(join(folder.path, '.git'));
  });
  afterEach(() => folder.remove());

  async function write(name: string, text: string | Uint8Array): Promise<void> {
    const path = join(folder.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }

  const load = (flags: ConfigFlags = {}, env: Record<string, string> = {}, cwd = folder.path) =>
    loadConfig({ flags, env: { HOME: '/nowhere', ...env }, cwd });

  /** What loading fly.toml with this text fails with. */
  async function failure(text: string, flags: ConfigFlags = {}): Promise<DeployerError> {
    await write('fly.toml', text);
    return rejection(load(flags), 'config_invalid');
  }

  it('reads from fly.toml what this version acts on', async () => {
    await write(
      'fly.toml',
      `# a comment
app = "example"
primary_region = 'ams'

[build]
  image = "registry.test/team/app:1"
  dockerfile = "docker/Dockerfile"
  build-target = "app"
  args = { NODE_VERSION = 20, MODE = "prod" }

[env]
  LOG_LEVEL = "debug"
  PORT = 8_080
  RATIO = 0.5
  BIG = 9007199254740993
  VERBOSE = true
  "spring.profile" = "prod"

[http_service]
  internal_port = 3000
  force_https = true
  auto_stop_machines = "suspend"
  auto_start_machines = false
  min_machines_running = 2
  processes = ["app"]

  [[http_service.checks]]
    grace_period = "10s"
    interval = "30s"
    timeout = 2500
    method = "head"
    path = "/up?deep=1"
    headers = { X-Check = "deploy", Host = "example.test" }

  [[http_service.checks]]

[deploy]
  strategy = "immediate"
  wait_timeout = "1h30m"
`,
    );
    const { config, warnings } = await load();
    expect(warnings).to.deep.equal([]);
    const { sources, ...values } = config;
    expect(values).to.deep.equal({
      app: 'example',
      appFlags: '',
      target: 'fly',
      primaryRegion: 'ams',
      image: 'registry.test/team/app:1',
      build: {
        folder: '.',
        dockerfile: 'docker/Dockerfile',
        target: 'app',
        sources: {
          dockerfile: 'fly.toml:7: build.dockerfile',
          'build-target': 'fly.toml:8: build.build-target',
        },
        args: { NODE_VERSION: '20', MODE: 'prod' },
      },
      env: {
        LOG_LEVEL: 'debug',
        PORT: '8080',
        RATIO: '0.5',
        BIG: '9007199254740993',
        VERBOSE: 'true',
        'spring.profile': 'prod',
      },
      httpService: {
        internalPort: 3000,
        forceHttps: true,
        autoStop: 'suspend',
        autoStart: false,
        minMachinesRunning: 2,
        checks: [
          {
            method: 'HEAD',
            path: '/up?deep=1',
            intervalMs: 30_000,
            timeoutMs: 2500,
            gracePeriodMs: 10_000,
            headers: { 'X-Check': 'deploy', Host: 'example.test' },
          },
          {
            method: 'GET',
            path: '/',
            intervalMs: 15_000,
            timeoutMs: 10_000,
            gracePeriodMs: 5000,
            headers: {},
          },
        ],
      },
      strategy: 'immediate',
      waitTimeoutMs: 5_400_000,
      file: 'fly.toml',
    });
    expect(sources).to.include({
      app: 'fly.toml:2',
      target: 'default',
      'build.image': 'fly.toml:6',
      'env.LOG_LEVEL': 'fly.toml:12',
      'http_service.min_machines_running': 'fly.toml:24',
      'http_service.checks[0].timeout': 'fly.toml:30',
      'deploy.wait_timeout': 'fly.toml:39',
    });
  });

  it('reads the older shapes: env as a list of tables, auto_stop_machines as a boolean, empty processes', async () => {
    await write(
      'fly.toml',
      `${APP}processes = []
[[env]]
A = "1"
[[env]]
B = "2"
[http_service]
auto_stop_machines = true
`,
    );
    const { config, warnings } = await load();
    expect(warnings).to.deep.equal([]);
    expect(config.env).to.deep.equal({ A: '1', B: '2' });
    expect(config.httpService).to.include({ autoStop: 'stop', internalPort: 8080 });
    expect(config.sources).to.include({ 'env.B': 'fly.toml:6', 'http_service.internal_port': 'default' });
  });

  it('lets flags go before the environment, and that before the file', async () => {
    await write(
      'fly.toml',
      `app = "from-file"\n[env]\nA = "file"\nB = "file"\n[build]\nimage = "file:1"\n[deploy]\nstrategy = "immediate"\nwait_timeout = "90s"\n`,
    );
    const byFile = await load();
    expect(byFile.config).to.include({
      app: 'from-file',
      image: 'file:1',
      strategy: 'immediate',
      waitTimeoutMs: 90_000,
    });

    const byFlyVariable = await load({}, { FLY_APP: 'from-fly', DEPLOYER_APP: '' });
    expect(byFlyVariable.config.app).to.equal('from-fly');
    expect(byFlyVariable.config.sources).to.include({ app: 'env FLY_APP' });
    const byVariable = await load({}, { FLY_APP: 'from-fly', DEPLOYER_APP: 'from-env' });
    expect(byVariable.config.sources).to.include({ app: 'env DEPLOYER_APP' });

    const byFlag = await load(
      {
        app: 'from-flag',
        target: 'fly',
        image: 'flag:1',
        env: ['A=flag', 'C=x=y', 'EMPTY='],
        strategy: 'rolling',
        'wait-timeout': '2m',
      },
      { DEPLOYER_APP: 'from-env' },
    );
    expect(byFlag.config).to.deep.include({
      app: 'from-flag',
      image: 'flag:1',
      strategy: 'rolling',
      waitTimeoutMs: 120_000,
      env: { A: 'flag', B: 'file', C: 'x=y', EMPTY: '' },
    });
    expect(byVariable.config.appFlags).to.equal('');
    expect(byFlag.config.appFlags).to.equal(' --app from-flag');
    expect(byFlag.config.sources).to.include({
      app: 'flag --app',
      target: 'flag --target',
      'build.image': 'flag --image',
      'env.A': 'flag --env',
      'env.B': 'fly.toml:4',
      'deploy.strategy': 'flag --strategy',
      'deploy.wait_timeout': 'flag --wait-timeout',
    });
  });

  it('works without a file', async () => {
    const { config } = await load({ app: 'example' });
    expect(config).to.deep.equal({
      app: 'example',
      appFlags: ' --app example',
      target: 'fly',
      env: {},
      strategy: 'rolling',
      waitTimeoutMs: 300_000,
      sources: {
        app: 'flag --app',
        target: 'default',
        'deploy.strategy': 'default',
        'deploy.wait_timeout': 'default',
      },
    });
  });

  describe('is looked for', () => {
    it('upwards, deployer.toml before fly.toml in the same folder, the nearest folder first', async () => {
      await write('deployer.toml', 'app = "top-deployer"\n');
      await write('fly.toml', 'app = "top-fly"\n');
      await write('services/api/fly.toml', 'app = "api"\n');
      await mkdir(join(folder.path, 'services/api/src'), { recursive: true });
      const inside = await load({}, {}, join(folder.path, 'services/api/src'));
      expect(inside.config).to.include({ app: 'api', file: '../fly.toml' });
      expect(inside.config.sources).to.include({ app: '../fly.toml:1' });
      const beside = await load({}, {}, join(folder.path, 'services'));
      expect(beside.config).to.include({ app: 'top-deployer', file: '../deployer.toml' });
    });

    it('not beyond the repository, nor in the home folder above', async () => {
      await write('fly.toml', 'app = "outside"\n');
      await mkdir(join(folder.path, 'repository/.git'), { recursive: true });
      await mkdir(join(folder.path, 'plain'));
      const inRepository = rejection(load({}, {}, join(folder.path, 'repository')), 'usage');
      expect((await inRepository).evidence.join()).to.include(
        'there is no deployer.toml or fly.toml here or above',
      );
      await rejection(load({}, { HOME: folder.path }, join(folder.path, 'plain')), 'usage');
      const atHome = await load({}, { HOME: folder.path }, folder.path);
      expect(atHome.config.app).to.equal('outside');
    });

    it('only where --config says, relative to the working directory', async () => {
      await write('fly.toml', APP);
      await write('config/staging.toml', 'app = "staging"\n');
      const { config } = await load({ config: '../config/staging.toml' }, {}, join(folder.path, 'config'));
      expect(config).to.include({ app: 'staging', file: 'staging.toml' });
      const missing = await rejection(load({ config: 'prod.toml' }), 'config_not_found');
      expect(missing.message).to.equal('there is no file prod.toml');
      expect(missing.exit).to.equal(2);
    });
  });

  describe('that can not be taken', () => {
    it('is refused at file, line and column, with the line, the key, what was found and what was expected', async () => {
      const error = await failure(`${APP}\n[http_service]\n  internal_port = "eighty"   # soon\n`);
      expect(error.message).to.equal(
        'fly.toml:4:3: http_service.internal_port is "eighty"; expected a whole number from 1 to 65535',
      );
      expect(error.evidence).to.deep.equal(['4 | internal_port = "eighty" # soon']);
    });

    const refusals: readonly [what: string, text: string, message: RegExp][] = [
      ['broken syntax', 'app = "example\n', /^fly\.toml:1:\d+: this is not TOML: /],
      [
        'a header without its end',
        `${APP}[env\n  A = "1"\n`,
        /^fly\.toml:2:5: .*A table's header ends with \]$/,
      ],
      [
        'an inline table without its end',
        'vm = { size = 1\n  b = 2\n',
        /^fly\.toml:1:16: this is not TOML: /,
      ],
      ['a key twice', `${APP}${APP}`, /^fly\.toml:2:1: this is not TOML: Defining a key multiple times/],
      ['an app that is no string', 'app = 7', /^fly\.toml:1:1: app is 7; expected a string$/],
      [
        'an app name with capitals',
        'app = "Example"',
        /^fly\.toml:1:1: app is "Example"; expected an app name/,
      ],
      [
        'a target that is planned',
        `${APP}target = "swarm"`,
        /:2:1: target is "swarm"; this target is not built yet/,
      ],
      ['a target nobody knows', `${APP}target = "heroku"`, /:2:1: target is "heroku"; expected fly$/],
      [
        'a region that is none',
        `${APP}primary_region = "Amsterdam"`,
        /primary_region is "Amsterdam"; expected a region/,
      ],
      ['env as a string', `${APP}env = "A=1"`, /:2:1: env is "A=1"; expected a table/],
      [
        'a variable name with a blank',
        `${APP}[env]\n"A B" = "1"`,
        /:3:1: env\.A B is "1"; a variable is named/,
      ],
      [
        'a variable that is a list',
        `${APP}[env]\nA = [1]`,
        /:3:1: env\.A is a list; expected a string, a number/,
      ],
      ['a variable that is a date', `${APP}[env]\nA = 2020-01-01`, /env\.A is 2020-01-01; expected/],
      ['a variable with NUL', `${APP}[env]\nA = "x\\u0000"`, /env\.A is "x"; expected/],
      [
        'port 0',
        `${APP}[http_service]\ninternal_port = 0`,
        /internal_port is 0; expected a whole number from 1/,
      ],
      ['port 70000', `${APP}[http_service]\ninternal_port = 70000`, /internal_port is 70000; expected/],
      [
        'a port with a fraction',
        `${APP}[http_service]\ninternal_port = 80.5`,
        /internal_port is 80.5; expected/,
      ],
      [
        'auto_stop "later"',
        `${APP}[http_service]\nauto_stop_machines = "later"`,
        /expected "off", "stop" or "suspend"/,
      ],
      [
        'a check outside a list',
        `${APP}[http_service.checks]\npath = "/"`,
        /checks is a table; expected a list of tables/,
      ],
      [
        'a duration in words',
        `${APP}[[http_service.checks]]\ninterval = "often"`,
        /checks\[0\]\.interval is "often"; expected a duration/,
      ],
      [
        '10 milliseconds meant as seconds',
        `${APP}[[http_service.checks]]\ninterval = 10`,
        /counts milliseconds; write "10s"/,
      ],
      [
        'a check time without a unit',
        `${APP}[[http_service.checks]]\ngrace_period = "1"`,
        /grace_period is "1"; it has no unit; write "1s" for seconds/,
      ],
      [
        'a wait without a unit',
        `${APP}[deploy]\nwait_timeout = 90`,
        /wait_timeout is 90; it has no unit; write "90s" for seconds/,
      ],
      [
        'a wait in a text without a unit',
        `${APP}[deploy]\nwait_timeout = "90"`,
        /wait_timeout is "90"; it has no unit; write "90s" for seconds/,
      ],
      [
        'an interval too short',
        `${APP}[[http_service.checks]]\ninterval = "200ms"`,
        /interval is "200ms"; expected at least 1000ms/,
      ],
      [
        'a relative check path',
        `${APP}[[http_service.checks]]\npath = "up"`,
        /path is "up"; expected a path/,
      ],
      [
        'a header with a line break',
        `${APP}[[http_service.checks]]\nheaders = { A = "b\\nC: d" }`,
        /headers is a table; expected/,
      ],
      [
        'a strategy that is planned',
        `${APP}[deploy]\nstrategy = "canary"`,
        /strategy is "canary"; this strategy is not built yet/,
      ],
      [
        'a strategy nobody knows',
        `${APP}[deploy]\nstrategy = "yolo"`,
        /strategy is "yolo"; expected rolling or immediate/,
      ],
      [
        'no wait at all',
        `${APP}[deploy]\nwait_timeout = "0s"`,
        /wait_timeout is "0s"; expected more than no time/,
      ],
      [
        'a wait of a month',
        `${APP}[deploy]\nwait_timeout = "30d"`,
        /wait_timeout is "30d"; expected at most 24h/,
      ],
      [
        'an image of two words',
        `${APP}[build]\nimage = "a b"`,
        /build\.image is "a b"; expected an image reference/,
      ],
    ];
    for (const [what, text, message] of refusals) {
      it(`is refused: ${what}`, async () => {
        expect((await failure(text)).message).to.match(message);
      });
    }

    it('is refused before anything else is looked at, also when flags say it all', async () => {
      const error = await failure('[http_service]\ninternal_port = -1', { app: 'example', image: 'a:1' });
      expect(error.message).to.include('internal_port is -1');
    });

    it('is refused when it is a folder, not UTF-8, or too large to be one', async () => {
      await mkdir(join(folder.path, 'folder.toml'));
      expect((await rejection(load({ config: 'folder.toml' }), 'config_invalid')).message).to.match(
        /can't be read: EISDIR/,
      );
      await write('latin.toml', Buffer.from('app = "caf\xe9"', 'latin1'));
      expect((await rejection(load({ config: 'latin.toml' }), 'config_invalid')).message).to.include(
        'must be UTF-8',
      );
      await write('large.toml', '#'.repeat(1024 * 1024 + 1));
      expect((await rejection(load({ config: 'large.toml' }), 'config_invalid')).message).to.include(
        'larger than 1 MiB',
      );
    });
  });

  describe('with keys that this version does not act on', () => {
    const dangerous: readonly [text: string, message: string][] = [
      [
        '[[mounts]]\nsource = "data"\ndestination = "/data"',
        'mounts is not supported yet: the machines would run without their volume',
      ],
      ['[mounts]\nsource = "data"', 'mounts is not supported yet'],
      [
        '[[services]]\ninternal_port = 53',
        'services is not supported yet: the machines would be reachable on none of its ports',
      ],
      ['[[files]]\nguest_path = "/etc/x"', 'files is not supported yet'],
      [
        '[deploy]\nrelease_command = "migrate"',
        'deploy.release_command is not supported yet: the release would go out without it',
      ],
      [
        '[processes]\nweb = "serve"\nworker = "work"',
        'processes is not supported yet: only one of web, worker would be deployed',
      ],
      [
        '[processes]\napp = "serve"',
        "processes.app is not supported yet: the machines would start the image's own command",
      ],
      ['[experimental]\ncmd = ["serve"]', 'experimental.cmd is not supported yet'],
    ];
    for (const [text, message] of dangerous) {
      it(`refuses to deploy something else than the file says: ${text.split('\n').slice(0, 2).join(' ')}`, async () => {
        const error = await failure(`${APP}${text}`);
        expect(error.message)
          .to.include(message)
          .and.match(/^fly\.toml:[23]:1: /);
        expect(error.suggestions.join()).to.include('--config FILE');
      });
    }

    it('tells all that it refuses at once, in the order of the lines', async () => {
      const error = await failure(
        `${APP}[experimental]\ncmd = ["serve"]\n[processes]\nweb = "serve"\nworker = "work"\n` +
          `[[vm]]\nmemory = "1gb"\n[[vm]]\ngpu_kind = "a10"\n[mounts]\nsource = "data"\n`,
      );
      expect(error.message).to.equal(
        "fly.toml:3:1: experimental.cmd is not supported yet: the machines would start the image's own command instead",
      );
      expect(error.evidence).to.deep.equal([
        "fly.toml:3: experimental.cmd is not supported yet: the machines would start the image's own command instead",
        'fly.toml:4: processes is not supported yet: only one of web, worker would be deployed',
        'fly.toml:7: vm is not supported yet: the machines of one group have one size; keep one [[vm]]',
        'fly.toml:11: mounts is not supported yet: the machines would run without their volume',
      ]);
      expect(error.suggestions).to.have.length(1);
    });

    for (const [vm, size] of [
      ['size = "shared-cpu-2x"', { cpuKind: 'shared', cpus: 2, memoryMb: 512 }],
      ['size = "performance-1x"\nmemory = "4gb"', { cpuKind: 'performance', cpus: 1, memoryMb: 4096 }],
      ['memory = 512', { memoryMb: 512 }],
      [
        'memory_mb = 1024\ncpus = 4\ncpu_kind = "performance"',
        { cpuKind: 'performance', cpus: 4, memoryMb: 1024 },
      ],
    ] as const)
      it(`reads the machines' size: ${vm.replaceAll('\n', ', ')}`, async () => {
        await write('fly.toml', `${APP}[[vm]]\n${vm}\n`);
        const { config, warnings } = await load();
        expect(config.machineSize).to.deep.equal(size);
        expect(warnings).to.deep.equal([]);
      });

    for (const [vm, message] of [
      ['size = "shared-cpu-3x"', 'vm[0].size is "shared-cpu-3x"; expected shared-cpu-1x to -8x'],
      ['memory = "lots"', 'vm[0].memory is "lots"; expected an amount'],
      ['cpus = 0', 'vm[0].cpus is 0; expected a whole number from 1 to 128'],
      ['gpu_kind = "a10"', 'vm[0].gpu_kind is not supported yet: the machines would run without the GPU'],
      ['cpus = 1\n[[vm]]\ncpus = 2', 'vm is not supported yet: the machines of one group have one size'],
    ] as const)
      it(`refuses a size that it can't give: ${vm.replaceAll('\n', ', ')}`, async () => {
        const error = await failure(`${APP}[[vm]]\n${vm}\n`);
        expect(error.message)
          .to.include(message)
          .and.match(/^fly\.toml:[23]:1: /);
      });

    it('reads how long a machine has to stay healthy', async () => {
      await write('fly.toml', `${APP}[deploy]\nmin_healthy_time = "20s"\n`);
      expect((await load()).config.minHealthyMs).to.equal(20_000);
      const error = await failure(`${APP}[deploy]\nmin_healthy_time = 20\n`);
      expect(error.message).to.include(
        'deploy.min_healthy_time is 20; it has no unit; write "20s" for seconds',
      );
    });

    it('warns, at file and line, of what has no effect', async () => {
      await write('fly.toml', `${APP}kill_timeout = 5\n[http_service.concurrency]\ntype = "requests"\n`);
      const { warnings } = await load();
      expect(warnings).to.deep.equal([
        'fly.toml:2: kill_timeout has no effect in this version',
        'fly.toml:3: http_service.concurrency has no effect in this version',
      ]);
    });

    it('asks whether a key that nobody knows was meant to be another', async () => {
      await write(
        'fly.toml',
        `${APP}[deply]\nstrategy = "rolling"\n[http_service]\ninternalport = 80\nqwertyuiop = 1\n`,
      );
      const { warnings } = await load();
      expect(warnings).to.deep.equal([
        'fly.toml:2: unknown key deply has no effect; did you mean deploy?',
        'fly.toml:5: unknown key http_service.internalport has no effect; did you mean internal_port?',
        'fly.toml:6: unknown key http_service.qwertyuiop has no effect',
      ]);
    });

    it('lets pass what is of no effect on the release of an image', async () => {
      await write(
        'fly.toml',
        `${APP}console_command = "sh"\n[build]\ndockerfile = "D"\n[build.args]\nA = "1"\n[processes]\napp = ""\n`,
      );
      expect((await load()).warnings).to.deep.equal([]);
    });
  });

  describe('by flags and variables', () => {
    const refusals: readonly [ConfigFlags, Record<string, string>, RegExp][] = [
      [{ app: 'No_Good' }, {}, /^--app is "No_Good"; expected an app name/],
      [{}, { FLY_APP: 'No_Good' }, /^FLY_APP is "No_Good"; expected an app name/],
      [
        { app: 'a', target: 'lambda' },
        {},
        /^--target is "lambda"; this target is not built yet; expected fly$/,
      ],
      [{ app: 'a' }, { DEPLOYER_TARGET: 'moon' }, /^DEPLOYER_TARGET is "moon"; expected fly$/],
      [{ app: 'a', strategy: 'bluegreen' }, {}, /^--strategy is "bluegreen"; this strategy is not built yet/],
      [{ app: 'a', 'wait-timeout': 'soon' }, {}, /^--wait-timeout is "soon"; expected a duration/],
      [{ app: 'a', image: '' }, {}, /^--image is ""; expected an image reference/],
      [{ app: 'a', env: ['NAME'] }, {}, /^--env NAME: expected NAME=VALUE$/],
      [{ app: 'a', env: ['1X=secret'] }, {}, /^--env: the name begins with neither a letter nor "_"$/],
      [
        { app: 'a', env: ['A B=secret'] },
        {},
        /^--env: the name holds more than letters, digits, "_", "\." and "-"$/,
      ],
      [{ app: 'a', env: ['=secret'] }, {}, /^--env: expected NAME=VALUE, found no name$/],
      [{ app: 'a', env: ['A=sec\0ret'] }, {}, /^--env A: the value holds a NUL$/],
    ];
    for (const [flags, env, message] of refusals) {
      it(`refuses ${JSON.stringify({ ...flags, ...env })}`, async () => {
        expect((await rejection(load(flags, env), 'usage')).message).to.match(message);
      });
    }

    it('names the value to take in place of one that is not built yet, as it is written there', async () => {
      const canary = await rejection(load({ app: 'a', strategy: 'canary' }), 'usage');
      expect(canary.suggestions).to.deep.equal(['--strategy rolling']);
      const moon = await rejection(load({ app: 'a' }, { DEPLOYER_TARGET: 'moon' }), 'usage');
      expect(moon.suggestions).to.deep.equal(['DEPLOYER_TARGET=fly']);
    });

    it('without an app says all the ways to name one', async () => {
      await write('fly.toml', '[env]\nA = "1"\n');
      const error = await rejection(load(), 'usage');
      expect(error.evidence).to.deep.equal([
        'neither --app nor DEPLOYER_APP nor FLY_APP is set, and fly.toml has no `app`',
      ]);
      expect(error.suggestions.join()).to.include('--app NAME').and.include('app = "NAME"');
    });
  });

  it('for a command that needs the app alone passes over the rest of the file', async () => {
    await write('fly.toml', `${APP}[[mounts]]\nsource = 1\n[deploy]\nstrategy = "canary"\n`);
    const config = await loadAppConfig({ flags: {}, env: { HOME: '/nowhere' }, cwd: folder.path });
    expect(config).to.deep.equal({
      app: 'example',
      target: 'fly',
      file: 'fly.toml',
      sources: { app: 'fly.toml:1', target: 'default' },
    });
  });

  it('never crashes: any text is a configuration or is refused with its line', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(configText(), async (text) => {
        await write('fly.toml', text);
        try {
          const { config } = await load({ app: 'example' });
          expect(config.app).to.equal('example');
        } catch (error) {
          expect(error).to.be.instanceOf(DeployerError);
          const { code, message } = error as DeployerError;
          expect(code).to.equal('config_invalid');
          expect(message).to.match(/^fly\.toml:\d+:\d+: /);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Noise, lines that look like TOML, and keys that this version knows with values of any kind. */
function configText(): fc.Arbitrary<string> {
  const name = fc.constantFrom(
    ...[
      'app',
      'target',
      'env',
      'build',
      'image',
      'deploy',
      'strategy',
      'wait_timeout',
      'http_service',
      'checks',
    ],
    ...[
      'internal_port',
      'interval',
      'headers',
      'processes',
      'mounts',
      'experimental',
      '__proto__',
      'constructor',
      '""',
    ],
  );
  const key = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('.'));
  const value = fc.constantFrom(
    ...[
      '1',
      '-1',
      '99999999999999999999',
      '1e400',
      'nan',
      'true',
      '"fly"',
      '"5m"',
      "'''x'''",
      '[]',
      '[{}]',
      '{}',
    ],
    ...['{ a = 1 }', '[[1], "x"]', '2020-01-01', '07:32:00', '"\\u0000"', '"', '[', '=', ''],
  );
  const line = fc.oneof(
    fc.tuple(key, value).map(([left, right]) => `${left} = ${right}`),
    key.map((path) => `[${path}]`),
    key.map((path) => `[[${path}]]`),
    fc.string(),
  );
  return fc.oneof(
    fc.array(line, { maxLength: 8 }).map((lines) => lines.join('\n')),
    fc.string({ unit: 'binary', maxLength: 200 }),
  );
}

async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<DeployerError> {
  const error = await promise.then(
    () => expect.fail('it was taken'),
    (thrown: unknown) => thrown,
  );
  expect(error).to.be.instanceOf(DeployerError);
  expect((error as DeployerError).code, (error as DeployerError).message).to.equal(code);
  return error as DeployerError;
}
