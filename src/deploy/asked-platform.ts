import { DeployerError } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import { formatPlatform, samePlatform } from '../oci/platform.js';
import type { Target } from '../targets/target.js';

/**
 * Before anything is asked: whatever the image holds, the target would not run this.
 * @throws DeployerError `platform_not_found`
 */
export function requirePlatform(
  asked: Platform | undefined,
  { name, capabilities: { platforms } }: Pick<Target, 'name' | 'capabilities'>,
): void {
  if (asked === undefined || platforms.some((runs) => samePlatform(runs, asked))) return;
  const runs = platforms.map(formatPlatform);
  throw new DeployerError(
    'platform_not_found',
    `--platform: ${name} runs ${runs.join(' and ')} only, not ${formatPlatform(asked)}`,
    { suggestions: [['leave --platform out', ...runs.map((one) => `--platform ${one}`)].join(', or ')] },
  );
}
