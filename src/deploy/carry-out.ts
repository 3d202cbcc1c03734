import { asFailure } from '../lib/errors.js';
import type { ReleasePlan, Target } from '../targets/target.js';
import { execute, type Executed, type ExecutePorts } from './execute.js';
import { planDocument, type Plan, type PlanDocument } from './plan.js';
import type { Steps } from './steps.js';

/** What came of a deploy; of a dry run, the plan. */
export type Deployed = Executed | { readonly plan: PlanDocument };

/** Shows a plan whose image is not built yet. @returns what a dry run ends with */
export function announce(plan: PlanDocument, steps: Steps, dryRun: boolean): Deployed | undefined {
  steps.emit({ type: 'plan', plan });
  if (!dryRun) return undefined;
  steps.emit({ type: 'done' });
  return { plan };
}

/** Shows the plan and carries it out. A dry run ends with the plan. */
export async function carryOut<R extends ReleasePlan>(
  target: Target<unknown, R>,
  plan: Plan<R>,
  steps: Steps,
  { dryRun, ...ports }: ExecutePorts & { readonly dryRun: boolean },
): Promise<Deployed> {
  const planned = announce(planDocument(plan), steps, dryRun);
  if (planned !== undefined) return planned;
  const executed = await execute(target, plan, steps, ports);
  steps.emit({
    type: 'done',
    result: executed.result,
    ...(executed.error && { error: executed.error.toDocument() }),
  });
  return executed;
}

/** Does the work of a deploy; an error that ends it before its release is its last event. */
export async function toItsEnd<T>(steps: Steps, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    steps.emit({ type: 'done', error: asFailure(error).toDocument() });
    throw error;
  }
}
