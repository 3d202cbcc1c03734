import type { DeployImage, PlannedWrite, ReleasePlan } from '../targets/target.js';

/** One step of a plan, in the pipeline's order. */
export type PlanStep =
  | {
      readonly step: 'adapt';
      readonly action: 'none' | 'pin';
      readonly reason: string;
      readonly image: DeployImage;
    }
  | { readonly step: 'build' | 'push'; readonly action: 'skip'; readonly reason: string }
  | { readonly step: 'release'; readonly action: 'release'; readonly summary: string };

/** All that will happen, as data: `--dry-run` prints it, `execute` consumes it. */
export interface Plan {
  readonly app: string;
  readonly target: string;
  readonly image: DeployImage;
  readonly steps: readonly PlanStep[];
  readonly writes: readonly PlannedWrite[];
  readonly release: ReleasePlan;
}
