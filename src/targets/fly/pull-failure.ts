import { cleanLine } from '../../lib/text.js';
import { SAY_WHERE } from './registry-host.js';

/** How platforms and engines say that an image is there for others, and not for them. */
const NOT_PULLED =
  /pull|manifest|no basic auth|unauthorized|authentication required|access (?:to the resource is )?denied|denied/i;

/** Whether the platform could not get the image, as its own sentence tells. */
export function isPullFailure(sentence: string): boolean {
  return NOT_PULLED.test(sentence);
}

/**
 * What the user can find, Fly need not: it has no credentials for other private registries.
 * @param registry the API's own; undefined when that is not known
 */
export function copyToOwn(registry: string | undefined, app: string, image: string): string[] {
  if (registry === undefined)
    return [`${SAY_WHERE}; what its machines can't pull from where it lies is then put there`];
  const copy = `${registry}/${app}:copy`;
  return [
    `fly pulls from ${registry} and from public registries; copy it there: deployer image copy ${cleanLine(image)} ${copy}`,
    `then: deployer deploy --image ${copy} --app ${app}`,
  ];
}
