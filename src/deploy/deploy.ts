import { setMaxListeners } from 'node:events';
import type { DeployConfig } from '../config/deploy-config.js';
import { readExposedPorts } from '../image/exposed-ports.js';
import { parseImageLocation, type ImageLocation } from '../image/location.js';
import type { OpenSourcePorts } from '../image/open-location.js';
import type { PrivacyPorts } from '../image/privacy.js';
import type { Clock } from '../lib/clock.js';
import { DeployerError } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import type { ReleasePlan, Target } from '../targets/target.js';
import { carryOut, toItsEnd, type Deployed } from './carry-out.js';
import { Delivery } from './delivery.js';
import type { EventSink } from './events.js';
import { decideAdaptation, makePlan, summaryOfStep } from './plan.js';
import { describeFound, Searching } from './searching.js';
import { Steps } from './steps.js';

export interface DeployRequest {
  readonly config: DeployConfig;
  /** As the user wrote it. */
  readonly image: string;
  readonly accept: 'all' | 'docker';
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
  readonly clock: Clock;
  readonly sink: EventSink;
}

/**
 * The whole way: verify, search, plan, execute. The search starts while the target is still being read; both only
 * read. A dry run ends with the plan.
 * @throws DeployerError whatever stands in the way before the first write
 */
export async function deploy<State, R extends ReleasePlan>(
  request: DeployRequest,
  ports: DeployPorts<State, R>,
): Promise<Deployed> {
  const { target, signal } = ports;
  const location = parseImageLocation(request.image);
  if (location.kind !== 'registry' && request.accept === 'docker')
    throw new DeployerError('usage', '--accept is about what a registry is asked with', {
      suggestions: ['leave it out: the image is read from a file'],
    });
  const steps = new Steps(ports.clock, ports.sink);
  const copying = copyPorts(ports);
  const searching = new Searching(request, location, {
    ...copying,
    privacy: privacyOf(location, request, ports),
  });
  try {
    return await toItsEnd(steps, async () => {
      const state = await verify(request, ports, steps);
      const found = await steps.run('search', searching.title, async (voice) => {
        const value = await searching.answer(voice);
        return { value, summary: describeFound(value), durationMs: value.durationMs };
      });
      const inputs = { ...request, requested: request.image, found, shape: found.shape, state };
      const { plan, delivery } = await steps.run('adapt', `Adapt image to ${target.name}`, async () => {
        const adapted = decideAdaptation(target, inputs);
        const { to } = adapted;
        const prepared = to && (await Delivery.prepare(found, { ...adapted, to }, copying));
        const made = makePlan(target, inputs, adapted, prepared?.planned);
        return { value: { plan: made, delivery: prepared }, summary: summaryOfStep(made, 'adapt') };
      });
      const { platforms } = target.capabilities;
      const exposedPorts = () => readExposedPorts(found.source, found.shape, platforms);
      const { dryRun } = request;
      return carryOut(target, plan, steps, { dryRun, signal, exposedPorts, ...(delivery && { delivery }) });
    });
  } finally {
    await searching.close();
  }
}

/** What the image is read and copied with: when one part of it fails, the others are called off. */
function copyPorts<State, R extends ReleasePlan>({
  target,
  clock,
  registry,
  search,
  tempFolder,
  signal,
}: DeployPorts<State, R>) {
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
  { config }: DeployRequest,
  { target, privacy }: DeployPorts<State, R>,
): PrivacyPorts | undefined {
  const own = target.repositoryFor?.(config.app);
  if (location.kind !== 'registry' || own === undefined || !('domain' in own)) return undefined;
  return own.domain === location.reference.domain ? undefined : privacy;
}

function verify<State, R extends ReleasePlan>(
  { config, warnings }: DeployRequest,
  { target, signal }: DeployPorts<State, R>,
  steps: Steps,
): Promise<State> {
  return steps.run('verify', 'Verify configuration', async (voice) => {
    for (const warning of warnings) voice.log('warning', warning);
    const value = await target.inspect(config.app, signal);
    return { value, summary: config.file ?? 'flags and environment' };
  });
}
