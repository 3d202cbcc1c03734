import type { DeployConfig } from '../config/deploy-config.js';
import type { Capabilities } from '../image/capabilities.js';
import type { DeployerError } from '../lib/errors.js';
import type { Digest } from '../oci/digest.js';
import type { Reference } from '../oci/reference.js';

export type { Capabilities } from '../image/capabilities.js';

/** A change that the plan announces. Nothing outside this list is written. */
export interface PlannedWrite {
  readonly method: string;
  readonly url: string;
  readonly summary: string;
}

/** The image as it is handed over. */
export interface DeployImage {
  /** As the user wrote it. */
  readonly requested: string;
  /** What the target is given: `repository@digest`. */
  readonly deployed: string;
  readonly digest: Digest;
}

export interface ReleaseRequest {
  readonly config: DeployConfig;
  readonly image: DeployImage;
  /** Identifies the release everywhere: metadata, events, report. */
  readonly releaseId: string;
  /** The past release that is put back, if one is. */
  readonly restores?: number;
  readonly rollback: boolean;
  readonly detach: boolean;
  /** How long to wait for another deploy's lock, in milliseconds. */
  readonly lockWaitMs: number;
}

/** A repository from which a target can always pull; or what has to be said or mended before it is known. */
export type OwnRepository = Pick<Reference, 'domain' | 'path'> | { readonly missing: string };

/** A machine, task, container or function version: whatever the target runs. */
export interface Unit {
  readonly id: string;
  readonly state: string;
  readonly health: 'passing' | 'warning' | 'critical' | 'unknown' | 'none';
  readonly image?: string;
  readonly region?: string;
  readonly releaseVersion?: number;
  /** Why it does not run, or not for long: `exited with code 1`. */
  readonly reason?: string;
}

export interface ReleaseIdentity {
  readonly id: string;
  readonly version: number;
  /** The release that ran before, if any. */
  readonly previous?: number;
  /** The last release before it that was healthy: what one would go back to. */
  readonly lastHealthy?: number;
}

/**
 * What a release's success stands on: every check of every unit passes and has stayed so; all were started and have
 * stayed up, which proves no answer; or nothing, because nothing was waited for.
 */
export type Proof = 'checks' | 'started' | 'nothing';

/** What happens during a release, as it happens. */
export type ReleaseEvent =
  | {
      readonly type: 'started';
      readonly release: ReleaseIdentity;
      readonly units: number;
      /** How long the target's locks outlive a deploy that is killed, in milliseconds. */
      readonly lockLifeMs: number;
    }
  /** Replaces what was shown last. */
  | { readonly type: 'progress'; readonly message: string; readonly healthy: number; readonly total: number }
  /** A line to keep. */
  | { readonly type: 'log'; readonly level: 'info' | 'warning'; readonly message: string }
  | {
      readonly type: 'failed';
      readonly reason: string;
      readonly undoing: boolean;
      /** What is done about it: `putting v11 back`. */
      readonly remedy: string;
    }
  | { readonly type: 'rolled-back'; readonly message: string };

export interface ReleaseContext {
  readonly report: (event: ReleaseEvent) => void;
  /** Aborted by the first Ctrl-C: stop, undo, return `failed` or `rolled-back` with code `interrupted`. */
  readonly signal: AbortSignal;
  /** The ports that the image says it listens on, asked for when that may explain a failure. */
  readonly exposedPorts?: () => Promise<readonly number[]>;
}

export type ReleaseOutcome =
  | {
      readonly status: 'succeeded' | 'unchanged' | 'detached';
      readonly verified: Proof;
      readonly release: ReleaseIdentity;
      readonly units: readonly Unit[];
      readonly url?: string;
    }
  | {
      readonly status: 'rolled-back' | 'failed';
      readonly release: ReleaseIdentity;
      readonly units: readonly Unit[];
      readonly error: DeployerError;
    };

/** The part of a release that can be known before anything is changed. Serialisable. */
export interface ReleasePlan {
  readonly release: ReleaseIdentity;
  readonly image: DeployImage;
  readonly writes: readonly PlannedWrite[];
  /** `rolling, 3 machines`, for the release step's title. */
  readonly summary: string;
}

export interface ReleaseRecord {
  readonly id: string;
  readonly version: number;
  readonly image: string;
  readonly digest?: string;
  /**
   * `partial`: on some of the units. `failed`: it never became healthy, and was not undone, or not everywhere. `unproven`: no deploy
   * has waited for its health (`--detach`), or none came to the end of that.
   */
  readonly status: 'running' | 'partial' | 'past' | 'rolled-back' | 'failed' | 'unproven';
  /** Whether a deploy has proven it healthy; absent where whoever made it noted nothing. */
  readonly wasHealthy?: boolean;
  /** To go back to it would change nothing: the present release has its image and configuration. */
  readonly sameAsPresent?: true;
  readonly createdAt?: string;
  /** How many run it, and how many of these are up: started, or put to sleep by a platform that wakes them. */
  readonly units: number;
  readonly unitsUp?: number;
}

export interface AppStatus {
  readonly app: string;
  readonly target: string;
  readonly release?: ReleaseRecord;
  readonly units: readonly Unit[];
  readonly url?: string;
}

/**
 * A deploy target. `State` is what it read of the app, `Plan` what it will do; both are its own.
 * Reads happen in `inspect`, decisions in `plan` (pure), writes in `release` alone.
 */
export interface Target<State = unknown, Plan extends ReleasePlan = ReleasePlan> {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Where an image is put that the target can't pull from where it lies, if it has a registry of its own. */
  repositoryFor?(app: string): OwnRepository;
  /**
   * Reads the app's present state. Throws `api_*`, `app_not_found` (only where it can't be created).
   * @param restore a past release that is to be put back as it was: its configuration becomes part of the state,
   *   and the plan takes it instead of the request's
   */
  inspect(app: string, signal: AbortSignal, restore?: ReleaseRecord): Promise<State>;
  /** Pure: the same request and state give the same plan. */
  plan(request: ReleaseRequest, state: State): Plan;
  /**
   * Carries the plan out. On a failure after the first write it puts back what was there (unless
   * `rollback` was off) and returns the outcome; it throws only when nothing was changed.
   */
  release(plan: Plan, context: ReleaseContext): Promise<ReleaseOutcome>;
  status(app: string, signal: AbortSignal): Promise<AppStatus>;
  releases(app: string, signal: AbortSignal): Promise<readonly ReleaseRecord[]>;
}
