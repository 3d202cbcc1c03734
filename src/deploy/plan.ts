import { adapt, type Adaptation } from '../image/adapt.js';
import type { FoundImage } from '../image/search.js';
import type { ImageShape } from '../image/shape.js';
import { DeployerError } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import { shortDigest, type Digest } from '../oci/digest.js';
import { formatPlatform } from '../oci/platform.js';
import { repositoryOf } from '../oci/reference.js';
import type { DeployConfig } from '../config/deploy-config.js';
import type { DeployImage, PlannedWrite, ReleaseIdentity, ReleasePlan, Target } from '../targets/target.js';

/** One step of a plan, in the pipeline's order. */
export type PlanStep =
  | { readonly step: 'adapt'; readonly action: 'none' | 'pin'; readonly summary: string }
  | { readonly step: 'build' | 'push'; readonly action: 'skip'; readonly summary: string }
  | { readonly step: 'release'; readonly action: 'release'; readonly summary: string };

/** All that will happen, as data: `execute` consumes it. */
export interface Plan<R extends ReleasePlan = ReleasePlan> {
  readonly app: string;
  readonly target: string;
  readonly image: DeployImage;
  readonly steps: readonly PlanStep[];
  readonly writes: readonly PlannedWrite[];
  readonly release: R;
}

/** The plan as it is shown: the target's own part, which holds the app's environment, stays inside. */
export type PlanDocument = Omit<Plan, 'release'> & { readonly release: ReleaseIdentity };

export function planDocument({ app, target, image, steps, writes, release }: Plan): PlanDocument {
  return { app, target, image, steps, writes, release: release.release };
}

/** The line that sums a step of the plan up. */
export function summaryOfStep({ steps }: Plan, name: PlanStep['step']): string {
  return steps.find(({ step }) => step === name)?.summary ?? '';
}

/** What was read before anything is decided. */
export interface PlanInputs<State> {
  readonly config: DeployConfig;
  readonly requested: string;
  readonly found: FoundImage;
  readonly shape: ImageShape;
  readonly state: State;
  readonly platform?: Platform;
  readonly releaseId: string;
  readonly rollback: boolean;
  readonly detach: boolean;
  readonly lockWaitMs: number;
}

/**
 * Decides everything that can be known before a write. Pure: the same inputs give the same plan.
 * @throws DeployerError `platform_not_found` or `image_incompatible`, with what would mend it
 */
export function makePlan<State, R extends ReleasePlan>(
  target: Target<State, R>,
  inputs: PlanInputs<State>,
): Plan<R> {
  const { config, found, releaseId, rollback, detach, lockWaitMs } = inputs;
  const adaptation = decideAdaptation(target, inputs);
  const repository = repositoryOf(found.reference);
  const image: DeployImage = {
    requested: inputs.requested,
    deployed: `${repository}@${adaptation.digest}`,
    digest: adaptation.digest,
  };
  const release = target.plan({ config, image, releaseId, rollback, detach, lockWaitMs }, inputs.state);
  return {
    app: config.app,
    target: target.name,
    image,
    steps: [
      { step: 'adapt', action: adaptation.action, summary: describeAdaptation(adaptation, repository) },
      { step: 'build', action: 'skip', summary: 'found remotely' },
      { step: 'push', action: 'skip', summary: 'already there' },
      {
        step: 'release',
        action: 'release',
        summary: `Release v${release.release.version} (${release.summary})`,
      },
    ],
    writes: release.writes,
    release,
  };
}

interface Taken {
  readonly action: 'none' | 'pin';
  readonly digest: Digest;
  readonly platform?: Platform;
  readonly reason: string;
}

function decideAdaptation<State, R extends ReleasePlan>(
  target: Target<State, R>,
  inputs: PlanInputs<State>,
): Taken {
  const { found, shape, platform, requested } = inputs;
  const decision = adapt({
    digest: found.stored.digest,
    domain: found.reference.domain,
    shape,
    target: target.name,
    capabilities: target.capabilities,
    ...(platform === undefined ? {} : { platform }),
  });
  if (decision.action === 'refuse') throw refused(decision, requested);
  if (decision.copy || decision.action === 'convert' || decision.action === 'rebuild') {
    throw new DeployerError(
      'image_incompatible',
      `${target.name} can't run ${requested} as it is: ${decision.reason}`,
      {
        evidence: [target.capabilities.note],
        suggestions: [`see what each target needs: deployer image diagnose ${requested}`],
      },
    );
  }
  return { ...decision, action: decision.action };
}

function refused({ why, reason }: Adaptation & { action: 'refuse' }, requested: string): DeployerError {
  return new DeployerError(
    why === 'platform' ? 'platform_not_found' : 'image_incompatible',
    `${requested} was found, but can't run there: ${reason}`,
    {
      suggestions: [
        why === 'platform'
          ? `build it for the platform: docker buildx build --platform linux/amd64 --push --tag ${requested} .`
          : `see what it is: deployer image inspect ${requested}`,
      ],
    },
  );
}

function describeAdaptation(adaptation: Taken, repository: string): string {
  const deployed = `deployed as ${repository}@${shortDigest(adaptation.digest)}`;
  if (adaptation.action === 'none') return `none needed: ${adaptation.reason}; ${deployed}`;
  const platform = adaptation.platform === undefined ? 'its manifest' : formatPlatform(adaptation.platform);
  return `pinned to ${platform}: ${adaptation.reason}; ${deployed}`;
}
