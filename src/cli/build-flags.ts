import { boolean, string } from '@oclif/core/flags';

const repeatable = { multiple: true, multipleNonGreedy: true } as const;

/** What shapes an image that is built. */
export const buildFlags = {
  dockerfile: string({
    char: 'f',
    helpValue: 'FILE|-',
    summary: 'The Dockerfile, also outside the context; - reads it from stdin [default: CONTEXT/Dockerfile].',
  }),
  'build-arg': string({
    ...repeatable,
    helpValue: 'NAME[=VALUE]',
    summary: 'Set a build argument; without a value, to what the environment has. Repeatable.',
  }),
  'build-secret': string({
    ...repeatable,
    helpValue: 'id=ID,src=FILE|env=NAME',
    summary: 'A secret for RUN --mount=type=secret; it is in no layer and no history. Repeatable.',
  }),
  ssh: string({
    ...repeatable,
    helpValue: 'default|ID=SOCKET',
    summary: 'An ssh agent for RUN --mount=type=ssh; default: that of SSH_AUTH_SOCK. Repeatable.',
  }),
  'build-target': string({ helpValue: 'STAGE', summary: 'The stage to build [default: the last].' }),
  label: string({
    ...repeatable,
    helpValue: 'NAME=VALUE',
    summary: 'Set a label of the image. Repeatable.',
  }),
  'no-cache': boolean({ default: false, summary: 'Run every step again.' }),
  'cache-from': string({
    ...repeatable,
    helpValue: 'REF|type=registry,ref=REF',
    summary: "Steps found there are not run again, as with the engine's own cache. Repeatable.",
  }),
  'cache-to': string({
    ...repeatable,
    helpValue: 'REF|type=registry,ref=REF[,mode=max]|type=inline',
    summary: 'Push what the steps made there, for --cache-from; inline: inside of the image. Repeatable.',
  }),
  'direct-push': boolean({
    default: false,
    summary:
      'The builder pushes what it built by itself: no other build can take the name before. Told by step, not by layer; it takes the containerd store.',
  }),
  provenance: string({
    options: ['auto', 'off', 'min', 'max'],
    default: 'auto',
    summary: 'Attest where the image comes from, which makes it an index [auto: off].',
  }),
};
