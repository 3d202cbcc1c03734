import { setMaxListeners } from 'node:events';
import type { DeployConfig } from '../config/deploy-config.js';
import { readExposedPorts } from '../image/exposed-ports.js';
import { parseImageLocation, type ImageLocation } from '../image/location.js';
import type { OpenSourcePorts } from '../image/open-source.js';
import { isPrivate, type PrivacyPorts } from '../image/privacy.js';
import type { Clock } from '../lib/clock.js';
import { asFailure } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import type { ReleasePlan, Target } from '../targets/target.js';
import { decideAdaptation } from './adaptation.js';
import { requirePlatform } from './asked-platform.js';
import { keptInRegistry } from './build-image.js';
import { makeBuildPlan } from './build-plan.js';
import { buildWish, type BuildAsked, type BuildWish } from './build-wish.js';
import { Building, type BuildingPorts, type BuildRequest } from './building.js';
import { announce, carryOut, toItsEnd, type Deployed } from './carry-out.js';
import { Delivery, repositoryUrl, type DeliveryPorts } from './delivery.js';
import type { EventSink } from './events.js';
import { makePlan, summaryOfStep } from './plan.js';
import type { DeployResult } from './result.js';
import { describeFound, describeMissing, lookAt, Searching, type Found } from './searching.js';
import { Steps } from './steps.js';

export interface DeployRequest extends Omit<BuildAsked, 'platform'> {
  readonly config: DeployConfig;
  /** As the user wrote it. */
  readonly image: string;
  readonly platform?: Platform;
  readonly releaseId: string;
  readonly rollback: boolean;
  readonly detach: boolean;
  readonly lockWaitMs: number;
  readonly dryRun: boolean;
  /** Of the configuration: said in the first step. */
  readonly warnings: readonly string[];
}

export interface DeployPorts<State, R extends ReleasePlan> extends OpenSourcePorts {
  readonly target: Target<State, R>;
  readonly privacy: PrivacyPorts;
  readonly building: Pick<BuildingPorts, 'connectEngine' | 'keepSecret' | 'env'>;
  readonly clock: Clock;
  readonly sink: EventSink;
}

/**
 * The whole way: verify, search, build and push what is missing, plan, execute. The search starts while the target is
 * still being read; both only read. A dry run ends with the plan.
 * @throws DeployerError whatever stands in the way before the first write
 */
export async function deploy<State, R extends ReleasePlan>(
  asked: DeployRequest,
  ports: DeployPorts<State, R>,
): Promise<Deployed> {
  const location = parseImageLocation(asked.image);
  const request = { ...asked, platform: requirePlatform(asked.platform, ports.target) };
  const wish = buildWish(request, location);
  const steps = new Steps(ports.clock, ports.sink);
  const copying = copyPorts(ports);
  const privacy = privacyOf(location, request, ports);
  const scene: Scene<State, R> = { request, ports, steps, copying, privacy };
  const searching =
    wish.when === 'always'
      ? undefined
      : new Searching({ ...request, ...wish }, location, { ...copying, privacy });
  try {
    return await toItsEnd(steps, async () => {
      const state = await verify(scene);
      const answer = await answerOf(searching, steps, request.image, wish);
      if ('stored' in answer) return release(scene, state, answer);
      const building = await planBuild(scene, state, answer);
      const planned = announce(building.plan, steps, request.dryRun);
      if (planned !== undefined) return planned;
      const { pushed, result } = await building.run();
      try {
        const found = await lookAt(pushed.found.reference, pushed.found.stored, { ...copying, privacy });
        // It was built without the app being locked: others may have changed it in the meantime.
        const now = await ports.target.inspect(request.config.app, ports.signal);
        return await release(scene, now, found, result);
      } catch (error) {
        throw asFailure(error).withEvidence(keptInRegistry(result));
      }
    });
  } finally {
    await searching?.close();
  }
}

/** What all steps of a deploy need. */
interface Scene<State, R extends ReleasePlan> {
  readonly request: Omit<DeployRequest, 'platform'> & BuildAsked;
  readonly ports: DeployPorts<State, R>;
  readonly steps: Steps;
  readonly copying: DeliveryPorts & { readonly clock: Clock };
  readonly privacy: PrivacyPorts | undefined;
}

function verify<State, R extends ReleasePlan>({ request, ports, steps }: Scene<State, R>): Promise<State> {
  const { config, warnings } = request;
  return steps.run('verify', 'Verify configuration', async (voice) => {
    for (const warning of warnings) voice.log('warning', warning);
    const value = await ports.target.inspect(config.app, ports.signal);
    return { value, summary: config.file ?? 'flags and environment' };
  });
}

/** What was found, or what is to be built instead. */
async function answerOf(
  searching: Searching | undefined,
  steps: Steps,
  image: string,
  { toBuild }: BuildWish,
): Promise<Found | BuildRequest> {
  if (searching === undefined) {
    steps.skip('search', `Searching for image '${image}' remotely...`, '--build always');
  } else {
    const answer = await steps.run('search', searching.title, async (voice) => {
      const value = await searching.answer(voice);
      const { named = [], context = '' } = toBuild?.source ?? {};
      // Who names it may think that its changes are deployed.
      if ('stored' in value && named.includes('CONTEXT'))
        voice.log('info', `${image} was found: nothing is built from ${context} (--build always builds it)`);
      const summary = 'missing' in value ? describeMissing(value) : describeFound(value);
      return { value, summary, durationMs: value.durationMs };
    });
    if ('stored' in answer) return answer;
  }
  if (toBuild === undefined) throw new Error('an image was to be built that there is nothing to build from');
  return toBuild;
}

/** Decides how the image is built, and what becomes of it then. */
async function planBuild<State, R extends ReleasePlan>(
  { request, ports, steps, copying, privacy }: Scene<State, R>,
  state: State,
  toBuild: BuildRequest,
) {
  const { target } = ports;
  return steps.run('adapt', `Adapt image to ${target.name}`, async () => {
    const building = await Building.prepare(
      toBuild,
      target,
      { ...copying, ...ports.building, privacy: ports.privacy, signal: ports.signal },
      steps,
    );
    const inputs = { ...request, requested: request.image, state };
    const plan = makeBuildPlan(target, inputs, building.planned, {
      isPrivate:
        privacy !== undefined && (await isPrivate(toBuild.reference, privacy, copying.signal, false)),
      urlOf: (repository) => repositoryUrl(copying.registry, repository),
    });
    return { value: { plan, run: () => building.run() }, summary: summaryOfStep(plan, 'adapt') };
  });
}

/** @param build of the image, when this deploy built it: then how it is adapted was told before */
async function release<State, R extends ReleasePlan>(
  { request, ports, steps, copying }: Scene<State, R>,
  state: State,
  found: Found,
  build?: DeployResult['build'],
): Promise<Deployed> {
  const { target, signal } = ports;
  const isBuilt = build !== undefined;
  const inputs = { ...request, requested: request.image, found, shape: found.shape, state, isBuilt };
  const decide = async () => {
    const adapted = decideAdaptation(target, inputs);
    const { to } = adapted;
    const prepared = to && (await Delivery.prepare(found, { ...adapted, to }, copying));
    const made = makePlan(target, inputs, adapted, prepared?.planned);
    return { value: { plan: made, delivery: prepared }, summary: summaryOfStep(made, 'adapt') };
  };
  const { plan, delivery } = isBuilt
    ? (await decide()).value
    : await steps.run('adapt', `Adapt image to ${target.name}`, decide);
  const { platforms } = target.capabilities;
  const exposedPorts = () => readExposedPorts(found.source, found.shape, platforms);
  const { dryRun } = request;
  return carryOut(target, plan, steps, {
    ...{ dryRun, signal, exposedPorts },
    ...(delivery && { delivery }),
    ...(build && { build }),
  });
}

/** What the image is read and copied with: when one part of it fails, the others are called off. */
function copyPorts<State, R extends ReleasePlan>({
  target,
  clock,
  registry,
  search,
  tempFolder,
  signal,
}: DeployPorts<State, R>): Scene<State, R>['copying'] {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  // Each request under way listens to it: more than the ten from which Node suspects a leak.
  setMaxListeners(64, either);
  return {
    ...{ clock, registry, search, tempFolder, signal: either, capabilities: target.capabilities },
    stop: (reason: unknown): void => failed.abort(reason),
  };
}

/** A target that pulls from any registry still can't from one where it is not logged in; in its own it is. */
function privacyOf<State, R extends ReleasePlan>(
  location: ImageLocation,
  { config }: Pick<DeployRequest, 'config'>,
  { target, privacy }: DeployPorts<State, R>,
): PrivacyPorts | undefined {
  const own = target.repositoryFor?.(config.app);
  if (location.kind !== 'registry' || own === undefined || !('domain' in own)) return undefined;
  return own.domain === location.reference.domain ? undefined : privacy;
}
