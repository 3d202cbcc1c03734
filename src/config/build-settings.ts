import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { BuildConfig } from './deploy-config.js';
import { readSourceDateEpoch } from './source-date-epoch.js';

/** A secret of a build, by where its value lies; the value itself is read when the build begins. */
export type BuildSecret =
  { readonly id: string; readonly file: string } | { readonly id: string; readonly variable: string };

/** The flags that shape an image, as the command line gives them. */
export interface BuildFlagValues {
  readonly 'build-arg'?: readonly string[] | undefined;
  readonly 'build-secret'?: readonly string[] | undefined;
  readonly 'build-target'?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly 'no-cache': boolean;
  readonly ssh?: readonly string[] | undefined;
  readonly provenance: string;
  readonly 'direct-push'?: boolean | undefined;
}

/** How a command that builds is called, for what it suggests. */
export type BuildCall = 'deployer build . --tag REF' | 'deployer deploy . --image REF';

/** What shapes an image, apart from its files and its platform. */
export interface FlagSettings {
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly secrets: readonly BuildSecret[];
  readonly sshAgents: readonly SshAgent[];
  readonly target?: string;
  /** Where it is named: `--build-target`, `fly.toml:6: build.build-target`. */
  readonly targetFrom?: string;
  readonly noCache: boolean;
  readonly provenance: 'auto' | 'off' | 'min' | 'max';
  /** The builder pushes what it built, not the engine from its store. */
  readonly pushesDirectly?: true;
  /** seconds since 1970; `buildArgs` has it too */
  readonly sourceDateEpoch?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param config what the file says: a flag goes before it
 * @throws DeployerError `usage`, suggesting the command that was called
 */
export function readBuildFlags(
  flags: BuildFlagValues,
  env: Environment,
  call: BuildCall,
  config?: Pick<BuildConfig, 'args' | 'target' | 'sources'>,
): FlagSettings {
  try {
    return settingsOf(flags, env, config);
  } catch (error) {
    if (!(error instanceof MisreadFlag)) throw error;
    throw new DeployerError('usage', error.message, { suggestions: [`${call} ${error.example}`] });
  }
}

function settingsOf(
  flags: BuildFlagValues,
  env: Environment,
  config: Pick<BuildConfig, 'args' | 'target' | 'sources'> | undefined,
): FlagSettings {
  const asked = flags['build-target'];
  const target = asked ?? config?.target;
  const targetFrom = asked === undefined ? config?.sources['build-target'] : '--build-target';
  const buildArgs = parseBuildArgs(flags['build-arg'] ?? [], env);
  const sourceDateEpoch = readSourceDateEpoch({ flags: buildArgs, env, config: config?.args ?? {} });
  return {
    buildArgs: {
      ...config?.args,
      ...buildArgs,
      ...(sourceDateEpoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(sourceDateEpoch) }),
    },
    labels: parseLabels(flags.label ?? []),
    secrets: parseBuildSecrets(flags['build-secret'] ?? [], env),
    sshAgents: parseSshAgents(flags.ssh ?? [], env),
    noCache: flags['no-cache'],
    // oclif lets no other through.
    provenance: flags.provenance as FlagSettings['provenance'],
    ...(flags['direct-push'] === true ? { pushesDirectly: true } : {}),
    ...(target === undefined ? {} : { target }),
    ...(target === undefined || targetFrom === undefined ? {} : { targetFrom }),
    ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch }),
  };
}

/**
 * `NAME=VALUE`, or `NAME` for what the environment holds, as docker has it.
 * @throws DeployerError `usage`
 */
function parseBuildArgs(texts: readonly string[], env: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const text of texts) {
    const [name, value] = splitPair(text, '--build-arg');
    const taken = value ?? env[name];
    // What is set nowhere keeps the Dockerfile's own default.
    if (taken !== undefined) found[name] = taken;
  }
  return found;
}

/** @throws MisreadFlag */
function parseLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [name, value = ''] = splitPair(text, '--label');
      return [name, value];
    }),
  );
}

/**
 * `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`.
 * @throws DeployerError `usage`; for a variable that is not set, too
 */
function parseBuildSecrets(texts: readonly string[], env: Environment): BuildSecret[] {
  const secrets = texts.map((text) => parseSecret(text, env));
  const twice = secrets.find(({ id }, at) => secrets.findIndex((other) => other.id === id) !== at);
  if (twice !== undefined)
    throw new MisreadFlag('--build-secret', `the id "${cleanLine(twice.id, 60)}" is given twice`);
  return secrets;
}

const SECRET_FORMS = 'id=NAME,src=FILE or id=NAME,env=VARIABLE';

function parseSecret(text: string, env: Environment): BuildSecret {
  const fields = new Map<string, string>();
  for (const part of text.split(',')) {
    const [name, value = ''] = splitPair(part, '--build-secret');
    fields.set(name === 'source' ? 'src' : name, value);
  }
  const { id = '', src, env: variable } = Object.fromEntries(fields);
  const unknown = [...fields.keys()].find((name) => !['id', 'src', 'env', 'type'].includes(name));
  if (unknown !== undefined)
    throw new MisreadFlag(
      '--build-secret',
      `"${cleanLine(unknown, 40)}" is not known; expected ${SECRET_FORMS}`,
    );
  if (id === '') throw new MisreadFlag('--build-secret', 'it has no id');
  if ((src === undefined) === (variable === undefined)) {
    throw new MisreadFlag('--build-secret', `"${cleanLine(id, 60)}" wants either src or env`);
  }
  if (src !== undefined) return { id, file: src };
  if (env[variable as string] === undefined) {
    throw new MisreadFlag('--build-secret', `the variable ${cleanLine(variable as string, 60)} is not set`);
  }
  return { id, variable: variable as string };
}

/** An ssh agent that a build may use, by its socket. */
export interface SshAgent {
  readonly id: string;
  readonly socket: string;
}

/**
 * `default` for the agent of SSH_AUTH_SOCK, or `ID=SOCKET`.
 * @throws DeployerError `usage`
 */
function parseSshAgents(texts: readonly string[], env: Environment): SshAgent[] {
  const agents = texts.map((text) => {
    const [id, socket = env['SSH_AUTH_SOCK']] = splitPair(text, '--ssh');
    if (socket !== undefined && socket !== '') return { id, socket };
    throw new DeployerError('usage', `--ssh ${cleanLine(id, 60)}: no agent runs (SSH_AUTH_SOCK is not set)`, {
      suggestions: ['start one, and give it a key: eval "$(ssh-agent)"; ssh-add', '--ssh default=SOCKET'],
    });
  });
  const twice = agents.find(({ id }, at) => agents.findIndex((other) => other.id === id) !== at);
  if (twice !== undefined)
    throw new MisreadFlag('--ssh', `the id "${cleanLine(twice.id, 60)}" is given twice`);
  return agents;
}

function splitPair(text: string, flag: PairFlag): [name: string, value: string | undefined] {
  const at = text.indexOf('=');
  const name = at === -1 ? text : text.slice(0, at);
  // The value is not repeated: it may be what must not be seen.
  if (name.trim() === '') throw new MisreadFlag(flag, 'expected NAME=VALUE, found no name');
  return [name, at === -1 ? undefined : text.slice(at + 1)];
}

/** How each flag is written. */
const EXAMPLES = {
  '--build-arg': '--build-arg NAME=VALUE',
  '--label': '--label NAME=VALUE',
  '--build-secret': '--build-secret id=NAME,src=FILE',
  '--ssh': '--ssh default',
} as const;
type PairFlag = keyof typeof EXAMPLES;

/** A flag's value that makes no sense; who knows the command says how it is called. */
class MisreadFlag extends Error {
  readonly example: string;

  constructor(flag: PairFlag, reason: string) {
    super(`${flag}: ${reason}`);
    this.example = EXAMPLES[flag];
  }
}
