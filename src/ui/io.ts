import type { Writable } from 'node:stream';
import { Redactor } from '../lib/redact.js';
import { cleanLine } from '../lib/text.js';
import { apiFlagsIn } from './api-flags.js';
import { annotation, withoutCommands } from './github-commands.js';

/** A stream that may be a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export type Environment = Readonly<Record<string, string | undefined>>;

/** How a command speaks: results to stdout, messages and progress to stderr. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  /** One JSON document on stdout, and nothing else there. */
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Whether messages on stderr may be coloured. */
  readonly color: boolean;
  /** stderr is a terminal on which lines can be drawn over. */
  readonly interactive: boolean;
  readonly ci: boolean;
  /** What the program is called: `deployer`, or the name of the program that has it as a plugin. */
  readonly bin: string;
  /** How the deploy API was named on the command line, as the next command has to name it: see `apiFlagsIn`. */
  readonly apiFlags: string;
  readonly redactor: Redactor;
}

export interface IoSources {
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly stdout: Output;
  readonly stderr: Output;
  /** `deployer` unless told. */
  readonly bin?: string;
}

/**
 * Reads from the raw arguments, so that it holds for the report of a parse error too.
 * @param json whether the command answers with a JSON document; `--json` among the arguments unless told
 */
export function createIo(
  { argv, env, stdout, stderr, bin = 'deployer' }: IoSources,
  json = hasFlag(argv, '--json'),
): Io {
  const ci = isCi(env);
  return {
    stdout,
    stderr,
    env,
    json,
    quiet: hasFlag(argv, '--quiet'),
    verbose: hasFlag(argv, '--verbose'),
    color: wantsColor(argv, env, stderr.isTTY === true),
    interactive: !ci && canDrawOver(stderr, env),
    ci,
    bin,
    apiFlags: apiFlagsIn(argv),
    redactor: Redactor.fromEnvironment(env, argv),
  };
}

/** Writes to stderr, for a person: secrets taken out, and whatever CI would take for a command. */
export function say(io: Io, text: string): void {
  io.stderr.write(forRunner(io, io.redactor.redact(text)));
}

/**
 * Pins a message to the run's summary page, on stderr; nothing where no runner of GitHub Actions reads along. Not
 * through `say`, which takes commands out: this one is meant, and its text is escaped.
 */
export function annotate(io: Io, level: 'error' | 'warning', message: string): void {
  if (io.env['GITHUB_ACTIONS'] !== 'true') return;
  const lines = message.split('\n').map((line) => cleanLine(line, 1000));
  io.stderr.write(`${annotation(level, 'deployer', io.redactor.redact(lines.join('\n')))}\n`);
}

/** `text` as it may stand in the output of a step of GitHub Actions. */
export function forRunner(io: Io, text: string): string {
  return io.env['GITHUB_ACTIONS'] === 'true' ? withoutCommands(text) : text;
}

/** Whether `flag` stands among the arguments, before any `--`. */
function hasFlag(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes(flag);
}

// Pseudo-terminals that nobody looks at have no width; wrapping to it would put every letter on its own line.
function canDrawOver(stream: Output, env: Environment): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb' && (stream.columns ?? 80) >= 20;
}

// Order: the flag, https://no-color.org, then FORCE_COLOR as Node reads it, then what the terminal can do.
function wantsColor(argv: readonly string[], env: Environment, isTerminal: boolean): boolean {
  if (hasFlag(argv, '--no-color') || env['NO_COLOR']) return false;
  const force = env['FORCE_COLOR'];
  if (force !== undefined) return force !== '0' && force !== 'false';
  return isTerminal && env['TERM'] !== 'dumb';
}

// `CI` is set by most systems; the others are those that do not set it.
function isCi(env: Environment): boolean {
  const ci = env['CI'];
  if (ci !== undefined && ci !== '') return ci !== 'false' && ci !== '0';
  return ['TF_BUILD', 'TEAMCITY_VERSION', 'JENKINS_URL', 'GITHUB_ACTIONS'].some((name) => Boolean(env[name]));
}
