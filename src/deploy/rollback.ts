import type { DeployConfig } from '../config/deploy-config.js';
import type { Clock } from '../lib/clock.js';
import { DeployerError } from '../lib/errors.js';
import { isDigest } from '../oci/digest.js';
import type { DeployImage, ReleasePlan, ReleaseRecord, Target } from '../targets/target.js';
import { carryOut, toItsEnd, type Deployed } from './carry-out.js';
import type { EventSink } from './events.js';
import type { Plan } from './plan.js';
import { chooseRelease } from './release-choice.js';
import { Steps } from './steps.js';

export interface RollbackRequest {
  readonly config: DeployConfig;
  /** `v11`, `11` or the release's id; the one before the present unless told. */
  readonly release: string | undefined;
  readonly releaseId: string;
  readonly lockWaitMs: number;
  readonly dryRun: boolean;
}

export interface RollbackPorts<State, R extends ReleasePlan> {
  readonly target: Target<State, R>;
  readonly clock: Clock;
  readonly sink: EventSink;
  readonly signal: AbortSignal;
}

/**
 * Puts a past release back, as a new one: its image by digest, its environment and services, by the same way and
 * with the same care as a deploy.
 * @throws DeployerError `release_not_found`, and whatever stands in the way before the first write
 */
export async function rollback<State, R extends ReleasePlan>(
  request: RollbackRequest,
  ports: RollbackPorts<State, R>,
): Promise<Deployed> {
  const { target, signal } = ports;
  const { app } = request.config;
  const steps = new Steps(ports.clock, ports.sink);
  return toItsEnd(steps, async () => {
    const { record, state } = await steps.run('verify', 'Find the release to put back', async () => {
      const chosen = chooseRelease(await target.releases(app, signal), request.release, app);
      const read = await target.inspect(app, signal, chosen);
      return { value: { record: chosen, state: read }, summary: `v${chosen.version}: ${chosen.image}` };
    });
    const plan = planOf(request, target, record, state);
    return carryOut(target, plan, steps, { dryRun: request.dryRun, signal });
  });
}

function planOf<State, R extends ReleasePlan>(
  { config, releaseId, lockWaitMs }: RollbackRequest,
  target: Target<State, R>,
  record: ReleaseRecord,
  state: State,
): Plan<R> {
  const image = imageOf(record, config);
  const release = target.plan(
    { config, image, releaseId, restores: record.version, lockWaitMs, rollback: true, detach: false },
    state,
  );
  const summary =
    release.writes.length === 0
      ? `Release v${record.version} (${release.summary})`
      : `Release v${release.release.version}: v${record.version} again (${release.summary})`;
  return {
    app: config.app,
    target: target.name,
    image,
    steps: [{ step: 'release', action: 'release', summary }],
    writes: release.writes,
    release,
  };
}

function imageOf({ version, image, digest }: ReleaseRecord, { appFlags }: DeployConfig): DeployImage {
  if (isDigest(digest)) return { requested: image, deployed: image, digest };
  throw new DeployerError(
    'digest_not_found',
    `the image of v${version} is known by its tag alone, which may name another image by now: ${image}`,
    { suggestions: [`if it is the one: deployer deploy --image ${image}${appFlags}`] },
  );
}
