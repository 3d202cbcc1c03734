import type { ErrorDocument } from '../lib/errors.js';
import type { Proof, ReleaseIdentity } from '../targets/target.js';
import type { BuildEvent } from './build-image.js';
import type { PlanDocument } from './plan.js';
import type { DeployResult } from './result.js';

export const STEPS = ['verify', 'search', 'adapt', 'build', 'push', 'release'] as const;
export type StepName = (typeof STEPS)[number];

/** What a deploy tells the world. Every view (terminal, plain lines, NDJSON, report) is made of these alone. */
export type DeployEvent =
  | { readonly type: 'plan'; readonly plan: PlanDocument }
  | { readonly type: 'step.started'; readonly step: StepName; readonly title: string }
  /** Replaces what was shown last for this step. */
  | { readonly type: 'step.progress'; readonly step: StepName; readonly message: string }
  /** A line to keep. */
  | {
      readonly type: 'step.log';
      readonly step: StepName;
      readonly level: 'info' | 'warning';
      readonly message: string;
      /** The step of a build that ended with this. */
      readonly vertex?: Vertex;
    }
  /** What a build's steps begin, print and transfer: for who looks on, and no part of `--events`. */
  | { readonly type: 'build'; readonly event: BuildEvent & { readonly type: 'started' | 'progress' | 'log' } }
  | {
      readonly type: 'step.succeeded';
      readonly step: StepName;
      readonly summary: string;
      readonly durationMs: number;
    }
  | {
      readonly type: 'step.skipped';
      readonly step: StepName;
      readonly title: string;
      readonly reason: string;
    }
  | { readonly type: 'step.failed'; readonly step: StepName; readonly error: ErrorDocument }
  | {
      readonly type: 'release.started';
      readonly release: ReleaseIdentity;
      readonly units: number;
      /** How long locks outlive a deploy that is killed, in milliseconds. */
      readonly lockLifeMs: number;
    }
  | {
      readonly type: 'release.healthy';
      readonly release: ReleaseIdentity;
      readonly verified: Proof;
      readonly url?: string;
    }
  | {
      readonly type: 'release.failed';
      readonly reason: string;
      readonly undoing: boolean;
      /** What is done about it: `putting v11 back`. */
      readonly remedy: string;
    }
  | { readonly type: 'release.rolled-back'; readonly message: string }
  /** The last event. A deploy that failed before its release has an error and no result, a dry run neither. */
  | { readonly type: 'done'; readonly result?: DeployResult; readonly error?: ErrorDocument };

/** A step of a build, as it ended. */
export interface Vertex {
  /** From 1, in the order in which they were first told. */
  readonly number: number;
  /** `[2/3] RUN make` */
  readonly name: string;
  readonly cached: boolean;
  readonly durationMs: number;
  readonly error?: string;
}

/** An event with the moment at which it happened (ISO 8601), as views get it. */
export type TimedDeployEvent = DeployEvent & { readonly time: string };

export type EventSink = (event: TimedDeployEvent) => void;
