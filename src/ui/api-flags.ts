import { shellWord } from '../lib/text.js';

const API_FLAGS = ['--api-url', '--token-file'] as const;

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
