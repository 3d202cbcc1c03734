import { boolean, string } from '@oclif/core/flags';
import { TARGET_NAMES } from '../config/deploy-config.js';

/*
 * Flags that several commands share. Values are checked where they are given their meaning (src/config), which
 * also reads the variables named here: it knows the precedence and says where a value came from.
 */

const app = string({
  char: 'a',
  helpValue: 'NAME',
  summary: "The app to act on [env: DEPLOYER_APP, FLY_APP; the file's `app`].",
});

const target = string({
  char: 't',
  helpValue: TARGET_NAMES.join('|'),
  summary: 'Where it runs [env: DEPLOYER_TARGET; default: fly].',
});

const config = string({
  char: 'c',
  helpValue: 'FILE',
  summary: 'The configuration; else deployer.toml or fly.toml, found upwards from here.',
});

/** What commands need that talk to the deploy API. */
const apiFlags = {
  'api-url': string({
    helpValue: 'URL',
    summary: 'The deploy API [env: DEPLOYER_API_URL, FLY_FLAPS_BASE_URL].',
  }),
  'token-file': string({
    helpValue: 'FILE',
    summary: 'A file with the API token [else env: DEPLOYER_API_TOKEN, FLY_ACCESS_TOKEN, FLY_API_TOKEN].',
  }),
};

/** What commands need that act on an app which runs already. */
export const appFlags = { app, target, config, ...apiFlags };

/** What shapes a release. */
export const deployFlags = {
  ...appFlags,
  image: string({
    char: 'i',
    helpValue: 'REF',
    summary:
      "The image: a registry reference, oci:DIR[:TAG] or docker-archive:FILE[:NAME] [else the file's `[build] image`].",
  }),
  build: string({
    options: ['missing', 'always', 'never'],
    default: 'missing',
    summary:
      "When to build: where the registry says that the image is not there, and CONTEXT or the file's `[build] dockerfile` says from what; always; or never.",
  }),
  platform: string({
    helpValue: 'OS/ARCH[/VARIANT]',
    summary: 'The platform to deploy, and to build for [default: what the target runs].',
  }),
  strategy: string({
    helpValue: 'rolling|immediate',
    summary:
      "How machines are replaced: one, then a third of them at a time, or all at once; each waits for health [else the file's `[deploy] strategy`; default: rolling].",
  }),
  accept: string({
    options: ['all', 'docker'],
    default: 'all',
    summary: 'docker: ask as a client of before 2023 would, to reproduce its failure.',
  }),
  env: string({
    char: 'e',
    helpValue: 'NAME=VALUE',
    multiple: true,
    multipleNonGreedy: true,
    summary: 'Set a variable in the machines. Repeatable.',
  }),
  'wait-timeout': string({
    helpValue: 'DURATION',
    summary:
      "How long each machine may take to become healthy: 90s, 5m; a bare number counts seconds [else the file's `[deploy] wait_timeout`; default: 5m].",
  }),
  'lock-wait': string({
    helpValue: 'DURATION',
    default: '10m',
    summary: 'How long to wait for another deploy of the app to end: 90s, 5m; a bare number counts seconds.',
  }),
  detach: boolean({
    summary: 'Do not wait: done means that the changes were accepted, and says nothing of health.',
  }),
  rollback: boolean({
    default: true,
    allowNo: true,
    summary: 'Put the previous release back when the new one fails.',
  }),
  'dry-run': boolean({ summary: 'Print the plan; change nothing.' }),
  events: string({
    helpValue: 'FILE|-',
    summary: 'Write every event as a line of JSON, to a file or to stdout.',
  }),
};
