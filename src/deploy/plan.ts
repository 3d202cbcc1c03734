import { formatSize } from '../lib/size.js';
import type { Digest } from '../oci/digest.js';
import { formatReference, repositoryOf, type Reference } from '../oci/reference.js';
import type { DeployImage, PlannedWrite, ReleaseIdentity, ReleasePlan, Target } from '../targets/target.js';
import { describeAdaptation, type AdaptationInputs, type Adapted } from './adaptation.js';

/** One step of a plan, in the pipeline's order. */
export type PlanStep =
  | { readonly step: 'adapt'; readonly action: Adapted['action']; readonly summary: string }
  | { readonly step: 'build'; readonly action: 'build' | 'skip'; readonly summary: string }
  | { readonly step: 'push'; readonly action: 'push' | 'copy' | 'skip'; readonly summary: string }
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
export type PlanDocument = Omit<Plan, 'release' | 'image'> & {
  /** Without a digest until it is built. */
  readonly image: Omit<DeployImage, 'digest'> & Partial<Pick<DeployImage, 'digest'>>;
  readonly release: ReleaseIdentity;
};

export function planDocument({ app, target, image, steps, writes, release }: Plan): PlanDocument {
  return { app, target, image, steps, writes, release: release.release };
}

/** The line that sums a step of the plan up. */
export function summaryOfStep({ steps }: Pick<Plan, 'steps'>, name: PlanStep['step']): string {
  return steps.find(({ step }) => step === name)?.summary ?? '';
}

/** What was read before anything is decided. */
export interface PlanInputs<State> extends AdaptationInputs {
  readonly state: State;
  readonly releaseId: string;
  readonly rollback: boolean;
  readonly detach: boolean;
  readonly lockWaitMs: number;
  /** Just now, and pushed: what lies there came of this deploy. */
  readonly isBuilt?: boolean;
}

/** What is put into the target's own registry before the release. */
export interface PlannedPush {
  /** Under this name, so that the registry keeps it; it is deployed by digest. */
  readonly to: Reference & { readonly tag: string };
  /** Below which its blobs and manifests are: `https://registry.fly.io/v2/example` */
  readonly url: string;
  /** Of what is put there. */
  readonly digest: Digest;
  readonly blobs: number;
  /** Of the blobs together. */
  readonly bytes: number;
  readonly manifests: number;
  /** It lies there already, all of it. */
  readonly present: boolean;
}

/**
 * Decides everything else that can be known before a write. Pure: the same inputs give the same plan.
 * @param push where the adapted image goes, when it has to go anywhere
 */
export function makePlan<State, R extends ReleasePlan>(
  target: Target<State, R>,
  inputs: PlanInputs<State>,
  adapted: Adapted,
  push?: PlannedPush,
): Plan<R> {
  const { config, found, releaseId, rollback, detach, lockWaitMs } = inputs;
  const digest = push?.digest ?? adapted.digest;
  const repository = repositoryOf((push?.to ?? found.reference) as Reference);
  const image: DeployImage = {
    requested: inputs.requested,
    deployed: `${repository}@${digest}`,
    digest,
  };
  const release = target.plan({ config, image, releaseId, rollback, detach, lockWaitMs }, inputs.state);
  return {
    app: config.app,
    target: target.name,
    image,
    steps: [
      { step: 'adapt', action: adapted.action, summary: describeAdaptation(adapted, repository, digest) },
      ...(inputs.isBuilt === true ? [] : [buildSkipped(found.reference === undefined)]),
      ...pushSteps(push, inputs.isBuilt === true),
      {
        step: 'release',
        action: 'release',
        summary: `Release v${release.release.version} (${release.summary})`,
      },
    ],
    writes: [...writesOf(push), ...release.writes],
    release,
  };
}

function buildSkipped(isHere: boolean): PlanStep {
  const summary = isHere ? 'not needed: the image is here' : 'found remotely';
  return { step: 'build', action: 'skip', summary };
}

function pushSteps(push: PlannedPush | undefined, isBuilt: boolean): PlanStep[] {
  if (push !== undefined && !push.present)
    return [{ step: 'push', action: 'copy', summary: describePush(push) }];
  return isBuilt ? [] : [{ step: 'push', action: 'skip', summary: 'already there' }];
}

function writesOf(push: PlannedPush | undefined): PlannedWrite[] {
  if (push === undefined || push.present) return [];
  const { url, to, blobs, bytes, manifests } = push;
  const uploads = `${url}/blobs/uploads/`;
  const inner = manifests - 1;
  return [
    {
      method: 'POST',
      url: uploads,
      summary: `begin an upload for each of ${counted(blobs, 'blob')} (${formatSize(bytes)}) that is not there`,
    },
    { method: 'PUT', url: uploads, summary: 'send it, to the place under this that it is given' },
    ...(inner === 0
      ? []
      : [{ method: 'PUT', url: `${url}/manifests/`, summary: `${counted(inner, 'manifest')}, by digest` }]),
    {
      method: 'PUT',
      url: `${url}/manifests/${to.tag}`,
      summary: 'the image itself, when all of it is there',
    },
  ];
}

function describePush({ to, blobs, bytes, manifests }: PlannedPush): string {
  return `${counted(blobs, 'blob')} (${formatSize(bytes)}), ${counted(manifests, 'manifest')} to ${formatReference(to)}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
