import type { BuildImageResult } from './build-image.js';
import type { DeployImage, Proof, ReleaseIdentity, Unit } from '../targets/target.js';

/** The `--json` document of `deployer deploy`. */
export interface DeployResult {
  readonly status: 'succeeded' | 'rolled-back' | 'failed' | 'unchanged' | 'detached';
  readonly app: string;
  readonly target: string;
  readonly image: DeployImage;
  readonly release: ReleaseIdentity;
  readonly machines: readonly Unit[];
  /** What the success stands on; absent when there is none. */
  readonly verified?: Proof;
  readonly url?: string;
  /** Of an image that this deploy built. */
  readonly build?: Omit<BuildImageResult, 'durations'>;
  /** milliseconds */
  readonly durations: Readonly<Record<'search' | 'build' | 'push' | 'release' | 'total', number>>;
}
