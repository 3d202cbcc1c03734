import type { DeployEvent, TimedDeployEvent } from '../../src/deploy/events.js';
import type { DeployResult } from '../../src/deploy/result.js';
import type { ErrorDocument } from '../../src/lib/errors.js';
import type { Digest } from '../../src/oci/digest.js';

/*
 * Deploys as streams of events, for the views.
 */

const IMAGE = 'registry.fly.io/example:tag';
const DIGEST = `sha256:9984b97e${'0'.repeat(56)}` as Digest;

export const RESULT: DeployResult = {
  status: 'succeeded',
  app: 'example',
  target: 'fly',
  image: { requested: IMAGE, deployed: `registry.fly.io/example@${DIGEST}`, digest: DIGEST },
  release: { id: 'r12', version: 12, previous: 11, lastHealthy: 11 },
  machines: [{ id: 'e784079b', state: 'started', health: 'passing' }],
  url: 'https://example.fly.dev',
  durations: { search: 412, build: 0, push: 0, release: 14_200, total: 15_000 },
};

const NOT_FOUND: ErrorDocument = {
  code: 'tag_not_found',
  message: `failed to fetch an image or build from source: Could not find image "${IMAGE}"`,
  evidence: ['Tags there: main-41, main-42, latest'],
  suggestions: [`build it from this directory: deployer deploy . --image ${IMAGE}`],
  exitCode: 3,
};

const RELEASE_TITLE = 'Release v12 (rolling, 3 machines)';

const UNTIL_RELEASE: readonly DeployEvent[] = [
  { type: 'step.started', step: 'verify', title: 'Verify configuration' },
  {
    type: 'step.log',
    step: 'verify',
    level: 'warning',
    message: 'fly.toml:3: vm has no effect in this version',
  },
  { type: 'step.succeeded', step: 'verify', summary: 'fly.toml', durationMs: 3 },
  { type: 'step.started', step: 'search', title: `Searching for image '${IMAGE}' remotely...` },
  {
    type: 'step.succeeded',
    step: 'search',
    summary: 'image found: OCI index sha256:9984b97e…, linux/amd64 + attestation',
    durationMs: 412,
  },
  { type: 'step.started', step: 'adapt', title: 'Adapt image to fly' },
  { type: 'step.succeeded', step: 'adapt', summary: 'none needed: fly takes indexes', durationMs: 0 },
  { type: 'step.skipped', step: 'build', title: 'Build image', reason: 'found remotely' },
  { type: 'step.skipped', step: 'push', title: 'Push image', reason: 'already there' },
  { type: 'step.started', step: 'release', title: RELEASE_TITLE },
  { type: 'release.started', release: RESULT.release, units: 3, lockLifeMs: 13_000 },
  { type: 'step.progress', step: 'release', message: '1/3 healthy' },
];

export const SUCCESS: readonly TimedDeployEvent[] = timed([
  ...UNTIL_RELEASE,
  { type: 'step.progress', step: 'release', message: '1/3 healthy' },
  { type: 'step.progress', step: 'release', message: '2/3 healthy' },
  { type: 'step.succeeded', step: 'release', summary: '3/3 healthy', durationMs: 14_200 },
  { type: 'release.healthy', release: RESULT.release, verified: 'checks', url: 'https://example.fly.dev' },
  { type: 'done', result: RESULT },
]);

export const IMAGE_NOT_FOUND: readonly TimedDeployEvent[] = timed([
  { type: 'step.started', step: 'verify', title: 'Verify configuration' },
  { type: 'step.succeeded', step: 'verify', summary: 'fly.toml', durationMs: 3 },
  { type: 'step.started', step: 'search', title: `Searching for image '${IMAGE}' remotely...` },
  { type: 'step.failed', step: 'search', error: NOT_FOUND },
  { type: 'done', error: NOT_FOUND },
]);

const ROLLED_BACK_ERROR: ErrorDocument = {
  code: 'release_rolled_back',
  message: 'v12 did not become healthy; v11 is back',
  evidence: [],
  suggestions: [],
  exitCode: 8,
};

export const ROLLED_BACK: readonly TimedDeployEvent[] = timed([
  ...UNTIL_RELEASE,
  {
    type: 'release.failed',
    reason: 'machine e784079b exited with code 1',
    undoing: true,
    remedy: 'putting v11 back',
  },
  { type: 'release.rolled-back', message: 'v11 runs again on 3 machines' },
  { type: 'step.failed', step: 'release', error: ROLLED_BACK_ERROR },
  { type: 'done', result: { ...RESULT, status: 'rolled-back' }, error: ROLLED_BACK_ERROR },
]);

/** What a hostile registry and API could put into a deploy's messages. */
export const HOSTILE: readonly TimedDeployEvent[] = timed([
  { type: 'step.started', step: 'verify', title: 'Verify\u001b[2J configuration' },
  {
    type: 'step.log',
    step: 'verify',
    level: 'info',
    message: '::set-output name=token::stolen\n::stop-commands::x',
  },
  { type: 'step.progress', step: 'verify', message: '  ::add-mask::e' },
  {
    type: 'step.log',
    step: 'verify',
    level: 'warning',
    message: 'a\r\n::error::b ##[set-env name=X]y % FlyV1 fm2_lJPECAAAAAAAAA',
  },
  { type: 'step.succeeded', step: 'verify', summary: '\u202edone\u0007', durationMs: 3 },
  { type: 'done', error: { ...NOT_FOUND, message: '::error::x | <img src=x> [a](http://evil.test) `b`' } },
]);

export const STORIES = { SUCCESS, IMAGE_NOT_FOUND, ROLLED_BACK, HOSTILE };

function timed(events: readonly DeployEvent[]): readonly TimedDeployEvent[] {
  return events.map((event, second) => ({ time: new Date(second * 1000).toISOString(), ...event }));
}
