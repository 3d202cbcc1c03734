import { adapt, type Adaptation } from '../image/adapt.js';
import type { ImageShape } from '../image/shape.js';
import type { StoredManifest } from '../image/stored-manifest.js';
import { DeployerError } from '../lib/errors.js';
import { formatSize } from '../lib/size.js';
import type { Platform } from '../oci/descriptor.js';
import { shortDigest, type Digest } from '../oci/digest.js';
import { formatPlatform } from '../oci/platform.js';
import { formatReference, repositoryOf, type Reference } from '../oci/reference.js';
import type { DeployConfig } from '../config/deploy-config.js';
import { requirePlatform } from './asked-platform.js';
import type { DeployImage, PlannedWrite, ReleaseIdentity, ReleasePlan, Target } from '../targets/target.js';

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
export interface PlanInputs<State> {
  readonly config: DeployConfig;
  readonly requested: string;
  readonly found: {
    /** Undefined when it lies in no registry. */
    readonly reference?: Reference;
    readonly stored: Pick<StoredManifest, 'digest'>;
    /** Its registry gives it to those alone who are logged in there. */
    readonly isPrivate: boolean;
  };
  readonly shape: ImageShape;
  readonly state: State;
  readonly platform?: Platform;
  readonly releaseId: string;
  readonly rollback: boolean;
  readonly detach: boolean;
  readonly lockWaitMs: number;
  /** Just now, and pushed: what lies there came of this deploy. */
  readonly isBuilt?: boolean;
}

/** What must be done to the image, and what for. */
export type Adapted = Exclude<Adaptation, { action: 'refuse' }> & {
  readonly action: 'none' | 'pin' | 'convert';
  /** Where it is put, when the target can't pull it, or not in its present form, from where it lies. */
  readonly to?: Pick<Reference, 'domain' | 'path'>;
};

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
 * Decides what must happen to the image before the target can run it. Pure.
 * @throws DeployerError `platform_not_found`, `image_incompatible` or `image_source_unsupported`, with the mend
 */
export function decideAdaptation<State, R extends ReleasePlan>(
  target: Target<State, R>,
  inputs: Pick<PlanInputs<State>, 'found' | 'shape' | 'platform' | 'requested' | 'config'>,
): Adapted {
  const { found, shape, platform, requested, config } = inputs;
  requirePlatform(platform, target);
  const decision = adapt({
    digest: found.stored.digest,
    domain: found.reference?.domain,
    isPrivate: found.isPrivate,
    shape,
    target: target.name,
    capabilities: target.capabilities,
    ...(platform === undefined ? {} : { platform }),
  });
  if (decision.action === 'refuse') throw refused(decision, requested, found.reference !== undefined);
  if (decision.action === 'rebuild') throw incompatible(target, inputs, decision.reason);
  const { action, copy } = decision;
  if (copy === undefined && action !== 'convert') return { ...decision, action };
  const own = target.repositoryFor?.(config.app);
  if (own !== undefined && 'domain' in own) return { ...decision, action, to: own };
  if (found.reference !== undefined)
    throw incompatible(target, inputs, copy ?? decision.reason, own?.missing);
  throw new DeployerError(
    'image_source_unsupported',
    `"${requested}" lies in no registry, and where ${target.name} could pull it from is not known`,
    {
      suggestions: [
        ...(own === undefined ? [] : [own.missing]),
        `put it into a registry first: deployer image copy ${requested} REGISTRY/NAME:TAG`,
      ],
    },
  );
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

function incompatible(
  { name, capabilities }: Pick<Target, 'name' | 'capabilities'>,
  { requested, config }: Pick<PlanInputs<unknown>, 'requested' | 'config'>,
  reason: string,
  missing?: string,
): DeployerError {
  return new DeployerError('image_incompatible', `${name} can't run ${requested} as it is: ${reason}`, {
    evidence: [capabilities.note],
    suggestions: [
      ...(missing === undefined ? [] : [missing]),
      `build it again in a form that ${name} runs: deployer deploy . --image ${requested}${config.appFlags} --build always`,
      `see what each target needs: deployer image diagnose ${requested}`,
    ],
  });
}

function refused(
  { why, reason }: Adaptation & { action: 'refuse' },
  requested: string,
  isRemote: boolean,
): DeployerError {
  const build = `deployer build . --tag ${isRemote ? requested : 'REGISTRY/NAME:TAG'} --platform linux/amd64 --push`;
  const look = isRemote
    ? `see what it is: deployer image inspect ${requested}`
    : 'check which image the file holds: oci:DIR:TAG, docker-archive:FILE:NAME';
  return new DeployerError(
    why === 'platform' ? 'platform_not_found' : 'image_incompatible',
    `${requested} was found, but can't run there: ${reason}`,
    { suggestions: [why === 'platform' ? `build it for the platform: ${build}` : look] },
  );
}

function describeAdaptation(adapted: Adapted, repository: string, digest: Digest): string {
  const { action, reason, copy, to } = adapted;
  const platform = adapted.platform === undefined ? 'its manifest' : formatPlatform(adapted.platform);
  const what = { none: 'none needed', pin: `pinned to ${platform}`, convert: `${platform} converted` }[
    action
  ];
  const copied = to === undefined ? [] : [`copied to ${repository}${copy === undefined ? '' : `: ${copy}`}`];
  return [`${what}: ${reason}`, ...copied, `deployed as ${repository}@${shortDigest(digest)}`].join('; ');
}
