import { string } from '@oclif/core/flags';
import { DeployerError } from '../lib/errors.js';
import { shownInput } from '../lib/redact.js';

const HOST = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)(?::\d{1,5})?$/;

/** What commands need that talk to registries. */
export const registryFlags = {
  'insecure-registry': string({
    helpValue: 'HOST[:PORT]',
    multiple: true,
    multipleNonGreedy: true,
    parse: (text) =>
      HOST.test(text) && URL.canParse(`http://${text}`)
        ? Promise.resolve(text)
        : Promise.reject(
            new DeployerError('usage', `"${shownInput(text, 60)}" is no registry; expected HOST[:PORT]`, {
              suggestions: ['write it as in the reference: --insecure-registry registry.example.com:5000'],
            }),
          ),
    summary: 'Speak plain http to this registry (loopback needs no flag). Repeatable.',
  }),
};
