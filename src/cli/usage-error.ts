import type { CLIError } from '@oclif/core/errors';
import { DeployerError } from '../lib/errors.js';
import { nearest } from '../lib/nearest.js';
import { shownInput } from '../lib/redact.js';

/** A command, as far as one must know it to say how it is called. */
export interface CommandShape {
  /** `deployer image inspect` */
  readonly name: string;
  readonly args: Readonly<Record<string, { readonly required?: boolean }>>;
  readonly flags: Readonly<
    Record<string, { readonly type: string; readonly options?: readonly string[] | undefined }>
  >;
}

/**
 * What oclif says of the arguments, in one line and with the usage. Of its errors only the text goes on: as properties
 * they carry the whole configuration, the manifest and the arguments.
 */
export function usageError(error: CLIError, command: CommandShape | undefined): DeployerError {
  const lines = withoutParserFrame(error.message)
    .split('\n')
    .map((line) => line.trim());
  const [said = '', ...more] = lines.filter((line) => line !== '');
  const match = SAYINGS.map(({ said: pattern, say }) => ({ found: pattern.exec(said), say })).find(
    ({ found }) => found !== null,
  );
  const message = match?.found ? match.say(match.found, command, more) : undefined;
  return new DeployerError('usage', message ?? said, {
    evidence: message === undefined ? more : [],
    suggestions: [
      ...(error.suggestions ?? []),
      ...(command === undefined ? ['see the flags and arguments with --help'] : usageOf(command)),
    ],
  });
}

/**
 * `--json=1`: oclif takes the value of a switch for an argument.
 * @throws DeployerError `usage`
 */
export function refuseSwitchValues(argv: readonly string[], command: CommandShape): void {
  const end = argv.indexOf('--');
  for (const word of end === -1 ? argv : argv.slice(0, end)) {
    const [, name = '', value = ''] = /^--([a-z-]+)=([^]*)$/.exec(word) ?? [];
    if (command.flags[name]?.type !== 'boolean') continue;
    throw new DeployerError('usage', `--${name} takes no value, and was given "${shownInput(value, 60)}"`, {
      suggestions: usageOf(command),
    });
  }
}

/** oclif writes its own words around the message of whatever a flag's `parse` throws, and at the end of its own. */
export function withoutParserFrame(message: string): string {
  return message
    .replace(/^Parsing (--\S+) \n\t/, '$1: ')
    .replace(/^The following errors? occurred:\s+/, '')
    .replace(/\nSee more help with --help$/, '');
}

type Say = (
  found: RegExpExecArray,
  command: CommandShape | undefined,
  more: readonly string[],
) => string | undefined;

/** Of oclif 4: what it says, and how that is said here. */
const SAYINGS: readonly { readonly said: RegExp; readonly say: Say }[] = [
  {
    said: /^Missing \d+ required args?:$/,
    say: (_, command, more) => {
      const missing = Object.keys(command?.args ?? {}).filter((name) =>
        more.some((line) => line.startsWith(`${name} `)),
      );
      const names = missing.map((name) => name.toUpperCase());
      return names.length === 0
        ? undefined
        : `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} missing`;
    },
  },
  { said: /^Unexpected arguments?: ([^]+)$/, say: ([, words]) => `too many arguments: ${quoted(words)}` },
  {
    said: /^Nonexistent flags?: (--?\S+)/,
    say: ([, flag = ''], command) => {
      const near = nearFlag(flag.replace(/^-+/, ''), Object.keys(command?.flags ?? {}));
      return `there is no flag ${shownInput(flag, 60)}${near === undefined ? '' : `; did you mean --${near}?`}`;
    },
  },
  {
    said: /^Missing required flag (\S+)$/,
    say: ([, flag = ''], command) => {
      const options = command?.flags[flag]?.options;
      return `--${flag} is missing${options === undefined ? '' : `; expected ${options.join(' or ')}`}`;
    },
  },
  { said: /^Flag (--\S+) expects a value$/, say: ([, flag]) => `${flag} needs a value` },
  {
    said: /^Flag (--\S+) expects one of these values: (.+)$/,
    say: ([, flag, options = '']) => `${flag} needs a value: ${options.replaceAll(', ', ' or ')}`,
  },
  {
    said: /^Expected (--[a-z-]+)=([^]*) to be one of: (.+)$/,
    say: ([, flag, value, options = '']) =>
      `${flag} is ${quoted(value)}; expected ${options.replaceAll(', ', ' or ')}`,
  },
  {
    said: /^(--[a-z-]+): Expected (an integer[^]*) but received: ([^]*)$/,
    say: ([, flag, expected, value]) => `${flag} is ${quoted(value)}; expected ${expected}`,
  },
  {
    said: /^(--[a-z-]+)(?:=[^]*)? cannot also be provided when using (--[a-z-]+)$/,
    say: ([, one, other]) => `${other} and ${one} exclude each other`,
  },
];

/** docker's own `--secret` is `--build-secret` here, its `-t` is `--tag`. */
function nearFlag(flag: string, flags: readonly string[]): string | undefined {
  const name = flag === 't' ? 'tag' : `build-${flag}`;
  return flags.includes(name) ? name : nearest(flag, flags);
}

function quoted(text = ''): string {
  return `"${shownInput(text, 60)}"`;
}

function usageOf({ name, args }: CommandShape): string[] {
  const words = Object.entries(args).map(([arg, { required }]) =>
    required === true ? arg.toUpperCase() : `[${arg.toUpperCase()}]`,
  );
  return [`${[name, ...words].join(' ')} [FLAGS]`, `${name} --help`];
}
