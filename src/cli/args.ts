import { string } from '@oclif/core/args';

export const referenceArg = string({
  name: 'REFERENCE',
  required: true,
  description: 'An image reference: [HOST[:PORT]/]NAME[:TAG][@DIGEST].',
});

const LOCATION = 'a registry reference, oci:DIR[:TAG] or docker-archive:FILE[:NAME]';

export const sourceArg = string({
  name: 'SOURCE',
  required: true,
  description: `Where the image lies: ${LOCATION}.`,
});

export const destinationArg = string({
  name: 'DESTINATION',
  required: true,
  description: `Where it goes: ${LOCATION}.`,
});
