import { DeployerError } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import { formatPlatform, samePlatform } from '../oci/platform.js';
import type { Target } from '../targets/target.js';

declare const runs: unique symbol;

/** A platform that the target runs: who has one need not ask again. */
export type TargetPlatform = Platform & { readonly [runs]: true };

/**
 * Before anything else is asked: whatever the image holds, the target would not run this.
 * @returns what was asked for
 * @throws DeployerError `platform_not_found`
 */
export function requirePlatform(
  asked: Platform | undefined,
  { name, capabilities: { platforms } }: Pick<Target, 'name' | 'capabilities'>,
): TargetPlatform | undefined {
  if (asked === undefined || platforms.some((each) => samePlatform(each, asked)))
    return asked as TargetPlatform | undefined;
  const takes = platforms.map(formatPlatform);
  throw new DeployerError(
    'platform_not_found',
    `--platform: ${name} runs ${takes.join(' and ')} only, not ${formatPlatform(asked)}`,
    { suggestions: [['leave --platform out', ...takes.map((one) => `--platform ${one}`)].join(', or ')] },
  );
}
