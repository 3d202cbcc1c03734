import { cleanLine } from '../../lib/text.js';

/** How platforms and engines say that an image is there for others, and not for them. */
const NOT_PULLED =
  /pull|manifest|no basic auth|unauthorized|authentication required|access (?:to the resource is )?denied|denied/i;

/** Whether the platform could not get the image, as its own sentence tells. */
export function isPullFailure(sentence: string): boolean {
  return NOT_PULLED.test(sentence);
}

/** What the user can find, Fly need not: it has no credentials for other private registries. */
export function copyToFly(app: string, image: string): string[] {
  const copy = `registry.fly.io/${app}:copy`;
  return [
    `fly pulls from registry.fly.io and from public registries; copy it there: deployer image copy ${cleanLine(image)} ${copy}`,
    `then: deployer deploy --image ${copy} --app ${app}`,
  ];
}
