import { string } from '@oclif/core/flags';

/** What commands need that talk to registries. */
export const registryFlags = {
  'insecure-registry': string({
    helpValue: 'HOST[:PORT]',
    multiple: true,
    multipleNonGreedy: true,
    summary: 'Speak plain http to this registry (loopback needs no flag). Repeatable.',
  }),
};
