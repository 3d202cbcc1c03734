import { DeployerError } from '../../lib/errors.js';
import type { ReleaseContext, ReleaseOutcome } from '../target.js';
import { appUrl } from './app-url.js';
import { Leases } from './lease.js';
import type { Machine } from './machine.js';
import { planRelease, type FlyPlan, type FlyState } from './plan.js';
import { readReleaseMetadata } from './release-metadata.js';
import { Rollout, type ReleasePorts } from './rollout.js';
import { unitOf } from './unit.js';

/**
 * Carries a plan out: every machine of the app is locked, the state read again under the locks, the machines
 * changed one after the other, and put back if one fails.
 * @throws DeployerError only when nothing was changed: `locked`, `interrupted`, `api_*`
 */
export async function release(
  plan: FlyPlan,
  context: ReleaseContext,
  ports: ReleasePorts,
): Promise<ReleaseOutcome> {
  if (plan.changes.length === 0) return unchanged(plan);
  const leases = new Leases({
    api: ports.api,
    clock: ports.clock,
    description: `deployer, release ${plan.request.releaseId}`,
    warn: (message) => context.report({ type: 'log', level: 'warning', message }),
  });
  try {
    const current = await lock(plan, leases, context, ports);
    if (current.changes.length === 0) return unchanged(current);
    return await new Rollout(current, leases, context, ports).run();
  } finally {
    await leases.releaseAll();
  }
}

/**
 * Locks every machine, in the order of their ids (so that two deploys can't hold what the other waits for), and
 * plans again if the app has changed since it was planned: another deploy may have run while this one waited.
 */
async function lock(
  plan: FlyPlan,
  leases: Leases,
  context: ReleaseContext,
  ports: ReleasePorts,
): Promise<FlyPlan> {
  const { signal, report } = context;
  const total = plan.state.machines.length;
  const giveUpAt = ports.clock.now() + plan.request.lockWaitMs;
  const tell = (message: string): void => report({ type: 'progress', message, healthy: 0, total });
  try {
    for (let current = plan; ;) {
      for (const { id } of current.state.machines)
        await leases.acquire(id, { waitMs: giveUpAt - ports.clock.now(), signal, tell });
      const state = { ...(await ports.read(signal)), restore: plan.state.restore };
      if (plan.state.exists && !state.exists) throw deletedMeanwhile(state.app);
      if (sameMachines(state, current.state)) return current;
      current = planRelease(plan.request, state);
      const message = `the app has changed meanwhile: planned again, as v${current.release.version}`;
      report({ type: 'log', level: 'info', message });
      if (state.machines.every(({ id }) => leases.holds(id))) return current;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new DeployerError('interrupted', 'interrupted before anything was changed', { cause: error });
  }
}

function deletedMeanwhile(app: string): DeployerError {
  return new DeployerError('app_not_found', `the app ${app} was there a moment ago, and is not any more`, {
    suggestions: ['if it was deleted on purpose, deploy again: that creates it'],
  });
}

function sameMachines(a: FlyState, b: FlyState): boolean {
  const versions = (state: FlyState): string =>
    JSON.stringify([state.exists, ...state.machines.map(identityOf)]);
  return versions(a) === versions(b);
}

/** What was noted of its health meanwhile is part of what a plan stands on. */
function identityOf({ id, instance_id, config }: Machine): unknown {
  return [id, instance_id, readReleaseMetadata(config).health];
}

function unchanged(plan: FlyPlan): ReleaseOutcome {
  const url = appUrl(plan.state);
  return {
    status: 'unchanged',
    verified: plan.proof,
    release: plan.release,
    units: plan.state.machines.map(unitOf),
    ...(url === undefined ? {} : { url }),
  };
}
