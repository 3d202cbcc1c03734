import { asFailure } from '../lib/errors.js';
import type { ReleasePlan, Target } from '../targets/target.js';
import { execute, type Executed, type ExecutePorts } from './execute.js';
import { planDocument, type Plan, type PlanDocument } from './plan.js';
import type { Steps } from './steps.js';

/** What came of a deploy; of a dry run, the plan. */
export type Deployed = Executed | { readonly plan: PlanDocument };

/** Shows the plan and carries it out. A dry run ends with the plan. */
export async function carryOut<R extends ReleasePlan>(
  target: Target<unknown, R>,
  plan: Plan<R>,
  steps: Steps,
  { dryRun, ...ports }: ExecutePorts & { readonly dryRun: boolean },
): Promise<Deployed> {
  const shown = planDocument(plan);
  steps.emit({ type: 'plan', plan: shown });
  if (dryRun) {
    steps.emit({ type: 'done' });
    return { plan: shown };
  }
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
