import type { Digest } from './digest.js';

/** An image reference, normalised: `docker.io` and `library/` are filled in, aliases of docker.io folded. */
export interface Reference {
  /** `docker.io`, `localhost:5000`, `[::1]:5000` */
  readonly domain: string;
  /** `library/alpine`, `team/app` */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}
