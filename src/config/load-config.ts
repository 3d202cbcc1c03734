import { homedir } from 'node:os';
import { DeployerError } from '../lib/errors.js';
import { shownInput } from '../lib/redact.js';
import { shellWord } from '../lib/text.js';
import { ConfigFile, findConfigFile } from './config-file.js';
import type { DeployConfig, TargetName } from './deploy-config.js';
import { readAppSettings, readFileSettings, type AppSettings, type FileSettings } from './file-settings.js';
import { Refusal } from './refusal.js';
import type { ReadingAccount } from './section.js';
import {
  appNameFrom,
  imageFrom,
  isVariableName,
  isVariableValue,
  strategyFrom,
  targetFrom,
  waitTimeoutFrom,
} from './values.js';

const DEFAULT_WAIT_MS = 5 * 60_000;

/** The flags that configure an app, as the command line gives them. */
export interface AppFlags {
  readonly app?: string | undefined;
  readonly target?: string | undefined;
  readonly config?: string | undefined;
}

/** The flags that configure a deploy. */
export interface ConfigFlags extends AppFlags {
  readonly image?: string | undefined;
  readonly env?: readonly string[] | undefined;
  readonly strategy?: string | undefined;
  readonly 'wait-timeout'?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigInputs<Flags> {
  readonly flags: Flags;
  readonly env: Environment;
  /** Absolute. */
  readonly cwd: string;
}

/** What a command needs that acts on an app which runs already. */
export type AppConfig = Pick<DeployConfig, 'app' | 'target' | 'file' | 'sources'>;

/**
 * The configuration of a deploy: flags before environment before file before defaults.
 * `sources` names for every value, by its key path in the file, where it came from.
 * @returns beside it, warnings about what the file says and this version does not act on
 * @throws DeployerError `usage` (a flag or variable), `config_invalid`, `config_not_found`
 */
export async function loadConfig(
  inputs: ConfigInputs<ConfigFlags>,
): Promise<{ config: DeployConfig; warnings: string[] }> {
  const account = newAccount();
  const file = await readFile(inputs);
  const settings: FileSettings = file === undefined ? { env: {} } : readFileSettings(file, account);
  const { flags, env } = inputs;
  const choose = new Choice(env, account.sources);
  const image = choose.flag('image', flags.image, 'build.image', imageFrom) ?? settings.image;
  const strategy =
    choose.flag('strategy', flags.strategy, 'deploy.strategy', strategyFrom) ?? settings.strategy;
  const waitTimeoutMs =
    choose.flag('wait-timeout', flags['wait-timeout'], 'deploy.wait_timeout', waitTimeoutFrom) ??
    settings.waitTimeoutMs;
  const config: DeployConfig = {
    ...chooseApp(choose, flags, settings, file),
    appFlags: appFlagsOf(flags),
    ...(image === undefined ? {} : { image }),
    ...(settings.build === undefined ? {} : { build: settings.build }),
    env: { ...settings.env, ...variablesFrom(flags.env ?? [], account.sources) },
    ...(settings.httpService === undefined ? {} : { httpService: settings.httpService }),
    ...(settings.machineSize === undefined ? {} : { machineSize: settings.machineSize }),
    ...(settings.primaryRegion === undefined ? {} : { primaryRegion: settings.primaryRegion }),
    strategy: choose.otherwise(strategy, 'rolling', 'deploy.strategy'),
    waitTimeoutMs: choose.otherwise(waitTimeoutMs, DEFAULT_WAIT_MS, 'deploy.wait_timeout'),
    ...(settings.minHealthyMs === undefined ? {} : { minHealthyMs: settings.minHealthyMs }),
    ...(file === undefined ? {} : { file: file.name }),
    sources: account.sources,
  };
  return { config, warnings: file?.lines(account.warnings) ?? [] };
}

/**
 * App and target alone, for the commands that need no more. The rest of the file may say anything.
 * @throws DeployerError `usage` (a flag or variable), `config_invalid`, `config_not_found`
 */
export async function loadAppConfig(inputs: ConfigInputs<AppFlags>): Promise<AppConfig> {
  const account = newAccount();
  const file = await readFile(inputs);
  const settings = file === undefined ? {} : readAppSettings(file, account);
  return {
    ...chooseApp(new Choice(inputs.env, account.sources), inputs.flags, settings, file),
    ...(file === undefined ? {} : { file: file.name }),
    sources: account.sources,
  };
}

function newAccount(): ReadingAccount {
  return { sources: {}, warnings: [], refusals: [] };
}

async function readFile({ flags, env, cwd }: ConfigInputs<AppFlags>): Promise<ConfigFile | undefined> {
  const found = await findConfigFile(flags.config, cwd, env['HOME'] ?? homedir());
  return found === undefined ? undefined : ConfigFile.read(found.path, found.name);
}

function chooseApp(
  choose: Choice,
  flags: AppFlags,
  settings: AppSettings,
  file: ConfigFile | undefined,
): { app: string; target: TargetName } {
  const app =
    choose.flag('app', flags.app, 'app', appNameFrom) ??
    choose.variable(['DEPLOYER_APP', 'FLY_APP'], 'app', appNameFrom) ??
    settings.app;
  const target =
    choose.flag('target', flags.target, 'target', targetFrom) ??
    choose.variable(['DEPLOYER_TARGET'], 'target', targetFrom) ??
    settings.target;
  if (app === undefined) throw missingApp(file);
  return { app, target: choose.otherwise(target, 'fly', 'target') };
}

/** Environment and files are there for the next command too; flags are not. */
function appFlagsOf({ app, config }: AppFlags): string {
  const words = [
    ...(app === undefined ? [] : ['--app', app]),
    ...(config === undefined ? [] : ['--config', config]),
  ];
  return words.map((word) => ` ${shellWord(word)}`).join('');
}

/** Takes values from flags, variables and defaults, and notes where each came from. */
class Choice {
  readonly #env: Environment;
  readonly #sources: Record<string, string>;

  constructor(env: Environment, sources: Record<string, string>) {
    this.#env = env;
    this.#sources = sources;
  }

  flag<T>(name: string, text: string | undefined, key: string, convert: (text: string) => T | Refusal) {
    return text === undefined ? undefined : this.#take(`--${name}`, `flag --${name}`, text, key, convert);
  }

  /** The first of `names` that is set and not empty. */
  variable<T>(names: readonly string[], key: string, convert: (text: string) => T | Refusal) {
    const name = names.find((candidate) => this.#env[candidate]);
    return name === undefined
      ? undefined
      : this.#take(name, `env ${name}`, this.#env[name] ?? '', key, convert);
  }

  otherwise<T>(value: T | undefined, defaultValue: T, key: string): T {
    if (value !== undefined) return value;
    this.#sources[key] = 'default';
    return defaultValue;
  }

  #take<T>(name: string, source: string, text: string, key: string, convert: (text: string) => T | Refusal) {
    const value = convert(text);
    if (value instanceof Refusal) {
      const { reason, instead } = value;
      const between = name.startsWith('--') ? ' ' : '=';
      throw new DeployerError('usage', `${name} is ${JSON.stringify(shownInput(text, 60))}; ${reason}`, {
        suggestions: instead === undefined ? [] : [`${name}${between}${instead}`],
      });
    }
    this.#sources[key] = source;
    return value as Exclude<T, Refusal>;
  }
}

function variablesFrom(pairs: readonly string[], sources: Record<string, string>): Record<string, string> {
  const variables = pairs.map((pair): [string, string] => {
    const end = pair.indexOf('=');
    const name = end === -1 ? pair : pair.slice(0, end);
    const value = pair.slice(name.length + 1);
    const fault = faultOf(name, end === -1 ? undefined : value);
    if (fault !== undefined) {
      throw new DeployerError('usage', `--env${isVariableName(name) ? ` ${name}` : ''}: ${fault}`, {
        suggestions: ['a variable is named with letters, digits and underscores: --env LOG_LEVEL=debug'],
      });
    }
    sources[`env.${name}`] = 'flag --env';
    return [name, value];
  });
  return Object.fromEntries(variables);
}

/** What is wrong with a variable. What stands there may be a secret: it is not repeated. */
function faultOf(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return 'expected NAME=VALUE';
  if (name === '') return 'expected NAME=VALUE, found no name';
  if (!/^[A-Za-z_]/.test(name)) return 'the name begins with neither a letter nor "_"';
  if (!isVariableName(name)) return 'the name holds more than letters, digits, "_", "." and "-"';
  return isVariableValue(value) ? undefined : 'the value holds a NUL';
}

function missingApp(file: ConfigFile | undefined): DeployerError {
  const inFile =
    file === undefined
      ? 'there is no deployer.toml or fly.toml here or above'
      : `${file.name} has no \`app\``;
  return new DeployerError('usage', 'which app? none is named', {
    evidence: [`neither --app nor DEPLOYER_APP nor FLY_APP is set, and ${inFile}`],
    suggestions: ['name it with --app NAME', 'or write app = "NAME" into fly.toml'],
  });
}
