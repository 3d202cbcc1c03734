import type { ErrorDocument } from '../lib/errors.js';
import { shellWord } from '../lib/text.js';
import type { Io } from './io.js';

/** This program's name before one of its commands. The rooms that suggest commands know no other. */
const COMMAND = /\bdeployer (?=(?:deploy|build|image|release|status|emulator)\b)/g;
/** One of the commands that talk to the deploy API. */
const API_COMMAND = /\bdeployer (?:deploy|status|release (?:list|show|rollback))\b(?! --help)/g;
const API_FLAGS = ['--api-url', '--token-file'] as const;

type Called = Pick<Io, 'bin' | 'apiFlags'>;

/** `text` with the commands that it tells to run as they are run here: as a plugin they belong to its host. */
export function asCalled({ bin, apiFlags }: Called, text: string): string {
  return text.replace(API_COMMAND, (command) => command + apiFlags).replace(COMMAND, `${bin} `);
}

/** The error with suggestions that can be run here. */
export function withOwnCommands(io: Called, error: ErrorDocument): ErrorDocument {
  return { ...error, suggestions: error.suggestions.map((suggestion) => asCalled(io, suggestion)) };
}

/** How the API was named in the raw arguments, for commands that go on from here: ` --api-url http://host`; else empty. */
export function apiFlagsIn(argv: readonly string[]): string {
  const end = argv.indexOf('--');
  const given = end === -1 ? argv : argv.slice(0, end);
  return API_FLAGS.map((flag) => {
    const joined = given.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1);
    const value = joined ?? (given.includes(flag) ? given[given.indexOf(flag) + 1] : undefined);
    return value === undefined ? '' : ` ${flag} ${shellWord(value)}`;
  }).join('');
}
