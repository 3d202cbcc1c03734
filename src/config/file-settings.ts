import { dirname, isAbsolute, join } from 'node:path';
import type { ConfigFile } from './config-file.js';
import type { BuildConfig, HttpService, MachineSize, Strategy, TargetName } from './deploy-config.js';
import { readHttpService } from './http-service.js';
import type { Refusal } from './refusal.js';
import { Section, type ReadingAccount, type UnreadKeys } from './section.js';
import type { TomlNode } from './toml-document.js';
import { readMachineSize } from './vm.js';
import {
  appNameFrom,
  imageFrom,
  isVariableName,
  isVariableValue,
  provenanceFrom,
  regionFrom,
  strategyFrom,
  targetFrom,
  someTime,
  unitDurationFrom,
} from './values.js';

/** What a file says of where the app is. */
export interface AppSettings {
  readonly app?: string | undefined;
  readonly target?: TargetName | undefined;
}

/** What a file says, as far as this version acts on it. */
export interface FileSettings extends AppSettings {
  readonly primaryRegion?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly httpService?: HttpService | undefined;
  readonly machineSize?: MachineSize | undefined;
  readonly image?: string | undefined;
  readonly build?: BuildConfig | undefined;
  readonly strategy?: Strategy | undefined;
  readonly waitTimeoutMs?: number | undefined;
  readonly minHealthyMs?: number | undefined;
}

const OWN_COMMAND = { refuse: "the machines would start the image's own command instead" };
const NO_VOLUME = { refuse: 'the machines would run without their volume' };
const NO_SETTINGS = { refuse: 'the machines would run without what it sets' };

const UNREAD_KEYS: UnreadKeys = {
  services: { refuse: 'the machines would be reachable on none of its ports' },
  mounts: NO_VOLUME,
  mount: NO_VOLUME,
  files: { refuse: 'the machines would run without these files' },
  machine_config: NO_SETTINGS,
  container: NO_SETTINGS,
  // For `fly console`.
  console_command: 'no effect here',
  checks: 'warn',
  restart: 'warn',
  metrics: 'warn',
  statics: 'warn',
  machine_checks: 'warn',
  kill_signal: 'warn',
  kill_timeout: 'warn',
  swap_size_mb: 'warn',
  host_dedication_id: 'warn',
};

const UNREAD_DEPLOY_KEYS: UnreadKeys = {
  release_command: { refuse: 'the release would go out without it having run' },
  release_command_timeout: 'no effect here',
  release_command_vm: 'no effect here',
  seed_command: 'warn',
  max_unavailable: 'warn',
};

const UNREAD_EXPERIMENTAL_KEYS: UnreadKeys = {
  cmd: OWN_COMMAND,
  entrypoint: OWN_COMMAND,
  exec: OWN_COMMAND,
  machine_config: NO_SETTINGS,
  auto_rollback: 'warn',
  enable_consul: 'warn',
  enable_etcd: 'warn',
  lazy_load_images: 'warn',
  attached: 'warn',
  use_zstd: 'no effect here',
};

// Other ways to build than from a Dockerfile: whoever waits for them is told that they are not taken.
const UNREAD_BUILD_KEYS: UnreadKeys = {
  builder: 'warn',
  buildpacks: 'warn',
  settings: 'warn',
  builtin: 'warn',
  ignorefile: 'warn',
  compression: 'no effect here',
  compression_level: 'no effect here',
};

/** Only where the app is: the rest of the file may say anything. @throws DeployerError `config_invalid` */
export function readAppSettings(file: ConfigFile, account: ReadingAccount): AppSettings {
  return readApp(new Section(file, file.table, account));
}

/** @throws DeployerError `config_invalid` for a value that can't be taken or a key that can't be passed over */
export function readFileSettings(file: ConfigFile, account: ReadingAccount): FileSettings {
  const root = new Section(file, file.table, account);
  const httpService = root.section('http_service');
  const build = root.section('build');
  const deploy = root.section('deploy');
  const settings: FileSettings = {
    ...readApp(root),
    primaryRegion: root.choice('primary_region', regionFrom),
    env: readEnv(root),
    httpService: httpService && readHttpService(httpService),
    machineSize: readMachineSize(root),
    image: build?.choice('image', imageFrom),
    build: build && readBuild(build, file.name, account),
    strategy: deploy?.choice('strategy', strategyFrom),
    waitTimeoutMs: deploy?.take('wait_timeout', 'a duration such as "5m"', waitTimeoutOf),
    minHealthyMs: deploy?.take('min_healthy_time', 'a duration such as "5s"', durationOf),
  };
  refuseProcesses(root);
  root.section('experimental')?.finish(UNREAD_EXPERIMENTAL_KEYS);
  build?.finish(UNREAD_BUILD_KEYS);
  deploy?.finish(UNREAD_DEPLOY_KEYS);
  root.finish(UNREAD_KEYS);
  if (account.refusals.length > 0) throw file.unsupported(account.refusals);
  return settings;
}

function readApp(root: Section): AppSettings {
  return { app: root.choice('app', appNameFrom), target: root.choice('target', targetFrom) };
}

function readEnv(root: Section): Readonly<Record<string, string>> {
  return readVariables(root.spreadSections('env'));
}

function readVariables(sections: readonly Section[]): Readonly<Record<string, string>> {
  // A Map first: `__proto__` would be lost on an object.
  const variables = new Map<string, string>();
  for (const section of sections) {
    for (const name of section.keys()) {
      if (!isVariableName(name)) {
        throw section.problem(name, 'a variable is named with letters, digits and underscores');
      }
      const value = section.take(name, 'a string, a number or a boolean', variableOf);
      if (value !== undefined) variables.set(name, value);
    }
  }
  return Object.fromEntries(variables);
}

/** @param file paths in it are seen from its folder, as flyctl does */
function readBuild(build: Section, file: string, { sources }: ReadingAccount): BuildConfig {
  const folder = dirname(file);
  const dockerfile = build.text('dockerfile');
  const target = build.text('build-target');
  const args = build.section('args');
  const provenance = build.choice('provenance', provenanceFrom);
  const said = (['dockerfile', 'build-target', 'provenance'] as const).flatMap((key) => {
    const source = sources[build.keyPath(key)];
    return source === undefined ? [] : [[key, `${source}: ${build.keyPath(key)}`]];
  });
  return {
    folder,
    sources: Object.fromEntries(said) as BuildConfig['sources'],
    ...(dockerfile === undefined
      ? {}
      : { dockerfile: isAbsolute(dockerfile) ? dockerfile : join(folder, dockerfile) }),
    ...(target === undefined ? {} : { target }),
    args: args === undefined ? {} : readVariables([args]),
    ...(provenance === undefined ? {} : { provenance }),
  };
}

function variableOf(node: TomlNode): string | undefined {
  if (node.type === 'table' || node.type === 'array' || node.type === 'date') return undefined;
  const value = String(node.value);
  return isVariableValue(value) ? value : undefined;
}

function durationOf(node: TomlNode): number | Refusal | undefined {
  return node.type === 'string' || node.type === 'integer' ? unitDurationFrom(String(node.value)) : undefined;
}

function waitTimeoutOf(node: TomlNode): number | Refusal | undefined {
  const ms = durationOf(node);
  return ms === undefined ? undefined : someTime(ms);
}

// One group without a command of its own is what this version deploys anyhow.
function refuseProcesses(root: Section): void {
  for (const groups of root.spreadSections('processes')) {
    const names = groups.keys();
    if (names.length > 1) {
      root.refuse('processes', `only one of ${names.join(', ')} would be deployed`);
      continue;
    }
    for (const name of names) {
      if (groups.text(name) !== '') groups.refuse(name, OWN_COMMAND.refuse);
    }
  }
}
