import type { DeployConfig } from '../config/deploy-config.js';
import { parseRegistryImage } from '../image/location.js';
import { readExposedPorts } from '../image/exposed-ports.js';
import type { ImageSearch } from '../image/search.js';
import type { ShapeReader } from '../image/shape.js';
import type { Clock } from '../lib/clock.js';
import type { Platform } from '../oci/descriptor.js';
import type { ReleasePlan, Target } from '../targets/target.js';
import { carryOut, toItsEnd, type Deployed } from './carry-out.js';
import type { EventSink } from './events.js';
import { makePlan, summaryOfStep } from './plan.js';
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

export interface DeployPorts<State, R extends ReleasePlan> {
  readonly target: Target<State, R>;
  readonly search: ImageSearch;
  readonly shapes: ShapeReader;
  readonly clock: Clock;
  readonly sink: EventSink;
  readonly signal: AbortSignal;
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
  const steps = new Steps(ports.clock, ports.sink);
  const reference = parseRegistryImage(request.image);
  const searching = new Searching(request, reference, { ...ports, capabilities: ports.target.capabilities });
  return toItsEnd(steps, async () => {
    const state = await verify(request, ports, steps);
    const { found, shape } = await steps.run(
      'search',
      `Searching for image '${request.image}' remotely...`,
      async (voice) => {
        const answer = await searching.answer(voice);
        return {
          value: answer,
          summary: describeFound(answer.found, answer.shape),
          durationMs: answer.durationMs,
        };
      },
    );
    const inputs = { ...request, requested: request.image, found, shape, state };
    const plan = await steps.run('adapt', `Adapt image to ${ports.target.name}`, () => {
      const value = makePlan(ports.target, inputs);
      return Promise.resolve({ value, summary: summaryOfStep(value, 'adapt') });
    });
    const { shapes, signal } = ports;
    const { platforms } = ports.target.capabilities;
    const exposedPorts = () => readExposedPorts(shapes, { found, shape }, platforms, signal);
    return carryOut(ports.target, plan, steps, { dryRun: request.dryRun, signal, exposedPorts });
  });
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
