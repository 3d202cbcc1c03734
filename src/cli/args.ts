import { string } from '@oclif/core/args';
import type { Arg } from '@oclif/core/interfaces';

export const referenceArg = string({
  name: 'REFERENCE',
  required: true,
  description: 'An image reference: [HOST[:PORT]/]NAME[:TAG][@DIGEST].',
});

/** A release of an app; which one is meant without it, `description` says. */
export function releaseArg(description: string): Arg<string | undefined> {
  return string({ name: 'RELEASE', description });
}
