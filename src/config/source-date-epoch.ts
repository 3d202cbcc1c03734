import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';

/** The variable, and the build argument that it becomes. */
const NAME = 'SOURCE_DATE_EPOCH';
/** The end of the year 9999: an image's `created` has no place for later ones (RFC 3339). */
const LATEST = 253_402_300_799;

export interface EpochPlaces {
  /** Of `--build-arg`. */
  readonly flags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of the file. */
  readonly config: Readonly<Record<string, string>>;
}

/**
 * The time that a build is to take for now, so that it makes the same of the same input
 * (https://reproducible-builds.org/specs/source-date-epoch/), in whole seconds since 1970. A flag goes before the
 * environment, that before the file. Empty is none.
 * @throws DeployerError `usage`
 */
export function readSourceDateEpoch({ flags, env, config }: EpochPlaces): number | undefined {
  const places = [
    [`--build-arg ${NAME}`, flags[NAME]],
    [NAME, env[NAME] === '' ? undefined : env[NAME]],
    [`${NAME} of [build] args`, config[NAME]],
  ] as const;
  const [where, text = ''] = places.find(([, value]) => value !== undefined) ?? [];
  if (text === '') return undefined;
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds <= LATEST) return seconds;
  throw new DeployerError(
    'usage',
    `${where}: "${cleanLine(text, 40)}" is no whole number of seconds since 1970`,
    {
      suggestions: [
        `take the time of the last commit: ${NAME}=$(git log -1 --format=%ct)`,
        `or leave it out: unset ${NAME}`,
      ],
    },
  );
}
