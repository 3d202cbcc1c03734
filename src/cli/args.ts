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

const LOCATION = 'a registry reference, oci:DIR[:TAG] or docker-archive:FILE[:NAME]';

export const imageArg = string({
  name: 'REFERENCE',
  required: true,
  description: `Where the image lies: ${LOCATION}.`,
});

export const sourceArg = string({
  name: 'SOURCE',
  required: true,
  description: `Where the image lies: ${LOCATION}.`,
});

export const destinationArg = string({
  name: 'DESTINATION',
  required: true,
  description: `Where it goes: ${LOCATION}. An archive that is there is replaced once the new one is whole; any other file, a link or a device is refused.`,
});
