import type { BuildEpoch } from '../engine/build/epoch.js';
import { pushesDirectly, type BuildOutput } from '../engine/build/query.js';
import type { Capabilities } from '../image/capabilities.js';
import type { ImageShape } from '../image/shape.js';
import { DeployerError } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { formatPlatform } from '../oci/platform.js';
import { formatReference, repositoryOf, type Reference } from '../oci/reference.js';
import type { PlannedWrite, ReleasePlan, Target } from '../targets/target.js';
import { decideAdaptation, type Adapted } from './adaptation.js';
import type { TargetPlatform } from './asked-platform.js';
import type { PlanDocument, PlanInputs, PlanStep } from './plan.js';

/** An image that is to be built and pushed, as far as it is known before. */
export interface PlannedBuild {
  readonly reference: Reference & { readonly tag: string };
  readonly context: string;
  /** As a person knows it. */
  readonly dockerfile: string;
  readonly platform: Platform;
  readonly provenance: ProvenanceChoice;
  readonly output: BuildOutput;
  readonly epoch?: BuildEpoch;
  readonly engine: {
    /** `docker 20.10.24` */
    readonly name: string;
    /** `unix:///var/run/docker.sock` */
    readonly address: string;
  };
}

/** What is asked of registries before the build. */
export interface RegistryFacts {
  /** What is pushed there is given to those alone who are logged in. */
  readonly isPrivate: boolean;
  /** Below which a repository's blobs and manifests are. */
  readonly urlOf: (repository: Pick<Reference, 'domain' | 'path'>) => string;
}

/** Whether the image will say where it comes from, and why so. */
export interface ProvenanceChoice {
  readonly mode: 'off' | 'min' | 'max';
  readonly reason: string;
}

/** Stands where a digest must, until there is one; is shown to nobody. */
const TO_COME = `sha256:${'0'.repeat(64)}` as Digest;

/**
 * Decides all that can be known before an image is built. Pure. Once it is built and pushed the release is planned
 * anew, of what really lies in the registry.
 * @throws DeployerError `image_incompatible` when the target could not pull it from where it is pushed to
 */
export function makeBuildPlan<State, R extends ReleasePlan>(
  target: Target<State, R>,
  inputs: Omit<PlanInputs<State>, 'found' | 'shape'>,
  build: PlannedBuild,
  { isPrivate, urlOf }: RegistryFacts,
): PlanDocument {
  const { config, requested, releaseId, rollback, detach, lockWaitMs } = inputs;
  const { reference } = build;
  const found = { reference, stored: { digest: TO_COME }, isPrivate };
  const adapted = decideAdaptation(target, { ...inputs, found, shape: shapeToCome(build) });
  const image = { requested, deployed: repositoryOf(adapted.to ?? reference) };
  const release = target.plan(
    { config, image: { ...image, digest: TO_COME }, releaseId, rollback, detach, lockWaitMs },
    inputs.state,
  );
  const { version } = release.release;
  return {
    app: config.app,
    target: target.name,
    image,
    steps: [
      { step: 'adapt', action: adapted.action, summary: describeForm(build, adapted) },
      { step: 'build', action: 'build', summary: describeBuild(build) },
      { step: 'push', action: 'push', summary: describePush(build) },
      ...copySteps(adapted),
      { step: 'release', action: 'release', summary: `Release v${version} (${release.summary})` },
    ],
    writes: [...writesOf(build), ...copyWrites(adapted, urlOf), ...release.writes],
    release: release.release,
  };
}

/**
 * What to build for: what was asked for, else what the target runs best, whatever the engine itself would take.
 * @throws DeployerError `platform_not_found` when the target runs no image at all
 */
export function platformToBuild(
  asked: TargetPlatform | undefined,
  target: Pick<Target, 'name' | 'capabilities'>,
): Platform {
  const [best] = target.capabilities.platforms;
  const platform = asked ?? best;
  if (platform !== undefined) return platform;
  throw new DeployerError('platform_not_found', `${target.name} runs no image: nothing is built for it`);
}

/**
 * `auto` attests nothing unless the configuration asks for it and the target takes what comes of it.
 * @param configured what the configuration asks for
 */
export function chooseProvenance(
  asked: 'auto' | ProvenanceChoice['mode'],
  configured: ProvenanceChoice['mode'] | undefined,
  { name, capabilities }: { readonly name: string; readonly capabilities: Capabilities },
): ProvenanceChoice {
  if (asked !== 'auto') return { mode: asked, reason: `--provenance ${asked}` };
  if (configured === undefined || configured === 'off') {
    const why = configured === undefined ? 'the configuration asks for none' : 'the configuration says so';
    return { mode: 'off', reason: `auto: ${why}` };
  }
  if (!capabilities.index) return { mode: 'off', reason: `auto: ${name} takes no index` };
  if (!capabilities.attestation) return { mode: 'off', reason: `auto: ${name} takes no attestation` };
  return { mode: configured, reason: 'auto: the configuration asks for it' };
}

/** What will lie in the registry: the push is confirmed against it. */
function shapeToCome({ output, platform }: PlannedBuild): ImageShape {
  const isAttested = output.store === 'containerd' && output.provenance !== 'off';
  const isOci = output.store === 'containerd' && output.mediaTypes === 'oci';
  const part = {
    digest: TO_COME,
    mediaType: isOci ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.dockerManifest,
    size: 0,
  };
  return {
    kind: isAttested ? 'index' : 'manifest',
    images: [{ ...part, platform }],
    attestations: isAttested ? [{ descriptor: part, subject: TO_COME }] : [],
  };
}

function describeForm({ output, platform }: PlannedBuild, { action, reason, copy, to }: Adapted): string {
  const isAttested = output.store === 'containerd' && output.provenance !== 'off';
  const form = isAttested ? 'an OCI index with an attestation' : 'a single manifest';
  const then = { none: '', pin: `, then pinned to ${formatPlatform(platform)}`, convert: ', then converted' };
  const copied = to === undefined ? '' : `; copied to ${repositoryOf(to)}${copy ? `: ${copy}` : ''}`;
  return `to be built as ${form} for ${formatPlatform(platform)}${then[action]}: ${reason}${copied}`;
}

function describeBuild({ context, dockerfile, provenance, epoch, engine }: PlannedBuild): string {
  const times = epoch === undefined ? '' : `, ${describeEpoch(epoch)}`;
  return `${context} with ${dockerfile}, provenance ${provenance.mode} (${provenance.reason})${times}, by ${engine.name}`;
}

function describePush({ reference, output }: PlannedBuild): string {
  return `to ${formatReference(reference)}${pushesDirectly(output) ? ', straight from the build' : ''}`;
}

function describeEpoch({ seconds, reach }: BuildEpoch): string {
  const time = new Date(seconds * 1000).toISOString().replace('.000', '');
  const dated = {
    all: 'for the image and the files that it makes',
    config: 'for the image, not for files in its layers',
    nothing: 'only for steps that ask for it',
  };
  return `SOURCE_DATE_EPOCH ${time} ${dated[reach]}`;
}

function copySteps({ to }: Adapted): PlanStep[] {
  return to === undefined
    ? []
    : [{ step: 'push', action: 'copy', summary: `from there to ${repositoryOf(to)}` }];
}

function writesOf({ reference, engine, platform, output }: PlannedBuild): PlannedWrite[] {
  const url = `${engine.address}/images/${repositoryOf(reference)}/push`;
  const built = `build ${formatReference(reference)} for ${formatPlatform(platform)}; the engine keeps it`;
  const pushed = `the engine sends ${reference.domain} what it has not, and sets the tag ${reference.tag}`;
  const isDirect = pushesDirectly(output);
  return [
    { method: 'POST', url: `${engine.address}/build`, summary: isDirect ? `${built}; ${pushed}` : built },
    ...(isDirect ? [] : [{ method: 'POST', url, summary: pushed }]),
  ];
}

function copyWrites({ to }: Adapted, urlOf: RegistryFacts['urlOf']): PlannedWrite[] {
  if (to === undefined) return [];
  const summary = 'its blobs and manifests, those that are not there';
  return [{ method: 'PUT', url: urlOf(to), summary }];
}
