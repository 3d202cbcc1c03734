import type { DeployerError } from '../lib/errors.js';
import type { ReleaseContext, ReleaseEvent, ReleaseOutcome, ReleasePlan, Target } from '../targets/target.js';
import { keptInRegistry } from './build-image.js';
import type { Delivery } from './delivery.js';
import { summaryOfStep, type Plan } from './plan.js';
import type { DeployResult } from './result.js';
import type { Steps, StepVoice } from './steps.js';

export const STEP_TITLE = { build: 'Build image', push: 'Push image' } as const;

/** What came of a plan. With an error the release did not come to stay; the result says what runs now. */
export interface Executed {
  readonly result: DeployResult;
  readonly error?: DeployerError;
}

export interface ExecutePorts extends Pick<ReleaseContext, 'signal' | 'exposedPorts'> {
  /** Of a plan whose push is no skip. */
  readonly delivery?: Pick<Delivery, 'run'>;
  /** Of the image, when this deploy built it. */
  readonly build?: DeployResult['build'];
}

/**
 * Carries a plan out: what it announces and nothing else.
 * @throws DeployerError when nothing was changed
 */
export async function execute<R extends ReleasePlan>(
  target: Target<unknown, R>,
  plan: Plan<R>,
  steps: Steps,
  { delivery, build, ...ports }: ExecutePorts,
): Promise<Executed> {
  for (const { step, action, summary } of plan.steps) {
    if (action === 'copy') await push(delivery, steps);
    else if (step === 'build' || step === 'push') steps.skip(step, STEP_TITLE[step], summary);
  }
  const outcome = await release(target, plan, steps, ports);
  const result = { ...resultOf(plan, outcome, steps), ...(build && { build }) };
  if ('error' in outcome) {
    const { error } = outcome;
    return { result, error: build === undefined ? error : error.withEvidence(keptInRegistry(build)) };
  }
  if (outcome.status === 'succeeded' || outcome.status === 'unchanged') {
    steps.emit({
      type: 'release.healthy',
      release: outcome.release,
      verified: outcome.verified,
      ...(outcome.url ? { url: outcome.url } : {}),
    });
  }
  return { result };
}

async function push(delivery: ExecutePorts['delivery'], steps: Steps): Promise<void> {
  if (delivery === undefined) throw new Error('the plan has a push that nothing was prepared for');
  await steps.run('push', STEP_TITLE.push, async (voice) => {
    const summary = await delivery.run(voice);
    return { value: undefined, summary };
  });
}

/** An outcome that failed fails the step too, but is kept: its units are part of the answer. */
async function release<R extends ReleasePlan>(
  target: Target<unknown, R>,
  plan: Plan<R>,
  steps: Steps,
  ports: Pick<ReleaseContext, 'signal' | 'exposedPorts'>,
): Promise<ReleaseOutcome> {
  let failed: ReleaseOutcome | undefined;
  try {
    return await steps.run('release', summaryOfStep(plan, 'release'), async (voice) => {
      const report = (event: ReleaseEvent): void => tell(event, steps, voice);
      const outcome = await target.release(plan.release, { ...ports, report });
      if ('error' in outcome) {
        failed = outcome;
        throw outcome.error;
      }
      return { value: outcome, summary: summaryOf(outcome) };
    });
  } catch (error) {
    if (failed === undefined) throw error;
    return failed;
  }
}

function tell(event: ReleaseEvent, steps: Steps, voice: StepVoice): void {
  if (event.type === 'started') {
    steps.emit({ ...event, type: 'release.started' });
  } else if (event.type === 'progress') voice.progress(event.message);
  else if (event.type === 'log') voice.log(event.level, event.message);
  else if (event.type === 'failed') {
    steps.emit({ ...event, type: 'release.failed' });
  } else steps.emit({ type: 'release.rolled-back', message: event.message });
}

function summaryOf({ status, units, verified }: Exclude<ReleaseOutcome, { error: unknown }>): string {
  if (status === 'unchanged') return 'nothing to do: this image and configuration run already';
  if (status === 'detached') return 'handed over; not waiting for health (--detach)';
  const well = units.filter(({ health }) => health === 'passing' || health === 'none').length;
  // A release that succeeded has no other units than those that are well and those that sleep until they are needed.
  const asleep = well < units.length ? `, ${units.length - well} asleep` : '';
  const how = verified === 'checks' ? 'healthy' : 'started; no checks are configured: not proven to work';
  return `${well}/${well === 0 ? units.length : well} ${how}${asleep}`;
}

function resultOf(plan: Plan, outcome: ReleaseOutcome, steps: Steps): DeployResult {
  return {
    status: outcome.status,
    app: plan.app,
    target: plan.target,
    image: plan.image,
    release: outcome.release,
    machines: outcome.units,
    ...('verified' in outcome ? { verified: outcome.verified } : {}),
    ...('url' in outcome && outcome.url !== undefined ? { url: outcome.url } : {}),
    durations: steps.durations(),
  };
}
