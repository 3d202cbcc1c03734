import type { RunMark } from './health.js';
import type { Machine } from './machine.js';

/** A machine that a release has written to. */
export interface Touched {
  readonly id: string;
  /** As it was read, under the lease, before the write; undefined for a machine that the release created. */
  readonly before: Machine | undefined;
  /** Set once it has become healthy in the new release: what of it counts from then on. */
  healthy?: RunMark | undefined;
  /** Set once it is watched in the new release. */
  mark?: RunMark;
  /** Why it is down, as the undo found it; empty where it was not. */
  down?: string;
  /** As the undo saw it last. */
  last?: Machine | undefined;
}
