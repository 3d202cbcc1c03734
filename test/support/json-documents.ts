import { expect } from 'chai';
import * as v from 'valibot';
import type { Finished } from './program.js';

/*
 * What scripts may rely on in the `--json` documents: these fields, of these types. More may be added.
 */

const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const milliseconds = v.pipe(v.number(), v.minValue(0));
const strings = v.array(v.string());

const failure = v.object({
  error: v.object({
    code: v.pipe(v.string(), v.regex(/^[a-z0-9_]+$/)),
    message: v.pipe(v.string(), v.minLength(1)),
    evidence: v.optional(strings),
    suggestions: strings,
    exitCode: v.pipe(v.number(), v.integer(), v.minValue(1)),
  }),
});

const image = v.object({ requested: v.string(), deployed: v.string(), digest });
const release = v.object({ id: v.string(), version: count, previous: v.optional(count) });

const unit = v.object({
  id: v.string(),
  state: v.string(),
  health: v.picklist(['passing', 'warning', 'critical', 'unknown', 'none']),
  reason: v.optional(v.string()),
});

const layer = v.object({ digest, size: count, mediaType: v.string() });
const inspection = v.object({
  reference: v.string(),
  digest,
  mediaType: v.string(),
  kind: v.picklist(['index', 'manifest']),
  size: count,
  platforms: v.array(
    v.object({
      os: v.string(),
      architecture: v.string(),
      variant: v.optional(v.string()),
      digest,
      size: count,
      layers: v.array(layer),
    }),
  ),
  attestations: v.array(v.object({ digest, subject: digest, predicateTypes: strings })),
  annotations: v.record(v.string(), v.string()),
});

const build = v.object({
  reference: v.string(),
  imageId: digest,
  digest: v.optional(digest),
  mediaType: v.optional(v.string()),
  kind: v.optional(v.picklist(['index', 'manifest'])),
  attestations: v.optional(inspection.entries.attestations),
  pushed: v.boolean(),
  contextBytesSent: count,
  durations: v.object({ build: milliseconds, push: milliseconds, total: milliseconds }),
});

const deploy = v.object({
  status: v.picklist(['succeeded', 'rolled-back', 'failed', 'unchanged']),
  app: v.string(),
  target: v.literal('fly'),
  image,
  release,
  machines: v.array(unit),
  url: v.optional(v.string()),
  build: v.optional(v.omit(build, ['durations'])),
  durations: v.object({
    search: milliseconds,
    build: milliseconds,
    push: milliseconds,
    release: milliseconds,
    total: milliseconds,
  }),
});

const plan = v.object({
  plan: v.object({
    steps: v.array(v.object({ step: v.string(), action: v.string(), summary: v.string() })),
    writes: v.array(v.object({ method: v.string(), url: v.string(), summary: v.string() })),
  }),
});

const diagnosis = v.object({
  reference: v.string(),
  clients: v.array(
    v.object({
      name: v.string(),
      method: v.picklist(['GET', 'HEAD']),
      accept: strings,
      status: count,
      code: v.optional(v.string()),
      message: v.optional(v.string()),
      found: v.boolean(),
      mediaType: v.optional(v.string()),
      digest: v.optional(v.string()),
    }),
  ),
  targets: v.array(
    v.object({
      name: v.string(),
      runs: v.boolean(),
      adaptation: v.picklist(['none', 'pin', 'convert', 'copy', 'rebuild']),
      reason: v.string(),
      pullsWith: v.picklist(['own-access', 'anonymous', 'credentials']),
    }),
  ),
  suggestions: strings,
  tokens: v.array(
    v.object({
      realm: v.string(),
      asked: strings,
      granted: v.union([strings, v.literal('opaque')]),
      lacking: strings,
    }),
  ),
  clock: v.optional(v.object({ registry: v.pipe(v.string(), v.isoTimestamp()), skewSeconds: v.number() })),
  rateLimit: v.optional(v.object({ limit: v.optional(count), remaining: v.optional(count) })),
  tags: v.optional(
    v.union([
      v.object({ status: v.literal('listed'), count, more: v.boolean(), nearest: strings }),
      v.object({ status: v.literal('no-repository') }),
      v.object({ status: v.literal('unknown'), why: v.string() }),
    ]),
  ),
  parts: v.optional(
    v.object({
      complete: v.boolean(),
      checked: v.object({ manifests: count, blobs: count }),
      problems: v.array(
        v.object({
          kind: v.picklist(['manifest', 'config', 'layer']),
          digest,
          state: v.picklist(['missing', 'damaged', 'unchecked']),
          breaks: strings,
          reason: v.string(),
        }),
      ),
    }),
  ),
});

const copy = v.object({
  source: v.string(),
  destination: v.string(),
  digest,
  bytesSent: count,
  blobsMounted: count,
  blobsSkipped: count,
});

const record = v.object({
  id: v.string(),
  version: count,
  image: v.string(),
  digest,
  status: v.picklist(['running', 'partial', 'past', 'rolled-back']),
  createdAt: v.pipe(v.string(), v.isoTimestamp()),
  units: count,
});

const ofApp = { app: v.string(), target: v.literal('fly') };
const status = v.object({
  ...ofApp,
  release: record,
  machines: v.array(unit),
  url: v.optional(v.string()),
});
const releaseList = v.object({ ...ofApp, releases: v.array(record) });
const releaseShow = v.object({ ...ofApp, release: record, machines: v.array(unit) });

const DOCUMENTS = {
  failure,
  deploy,
  plan,
  inspection,
  diagnosis,
  build,
  copy,
  status,
  releaseList,
  releaseShow,
} as const;

type DocumentOf<Kind extends keyof typeof DOCUMENTS> = v.InferOutput<(typeof DOCUMENTS)[Kind]>;

/** The document of this kind that `text` is, and nothing but that. */
export function documentIn<Kind extends keyof typeof DOCUMENTS>(kind: Kind, text: string): DocumentOf<Kind> {
  const parsed = v.safeParse(DOCUMENTS[kind], JSON.parse(text));
  expect(
    parsed.issues?.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`),
    text,
  ).to.equal(undefined);
  return parsed.output as DocumentOf<Kind>;
}

/** The `error` of a run that failed under `--json`, whose exit code is the error's. */
export function failureIn({ code, stdout, stderr }: Finished): DocumentOf<'failure'>['error'] {
  const { error } = documentIn('failure', stdout === '' ? `{"stderr": ${JSON.stringify(stderr)}}` : stdout);
  expect(error.exitCode, stdout).to.equal(code);
  return error;
}
