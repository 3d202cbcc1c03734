import { string } from '@oclif/core/args';

export const referenceArg = string({
  name: 'REFERENCE',
  required: true,
  description: 'An image reference: [HOST[:PORT]/]NAME[:TAG][@DIGEST].',
});
