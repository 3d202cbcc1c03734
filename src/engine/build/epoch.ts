import { isAtLeast, type EngineCapabilities } from '../capabilities.js';

/** SOURCE_DATE_EPOCH of a build. */
export interface BuildEpoch {
  /** since 1970 */
  readonly seconds: number;
  /**
   * What gets its time from it: `all` that the build makes, the `config` (the image's time of creation, its history)
   * but no file in a layer, or `nothing`: only the steps that ask for the build argument know of it.
   */
  readonly reach: 'all' | 'config' | 'nothing';
}

/** BuildKit 0.11, the first that writes it into a config, came with Engine 24 (API 1.43). */
const CONFIG_API = [1, 43] as const;
/** BuildKit 0.13, the first that writes the times of files anew, came with Engine 26 (API 1.45). */
const FILES_API = [1, 45] as const;

/** How far SOURCE_DATE_EPOCH, where it is set, reaches with this engine. */
export function decideEpoch(
  seconds: number | undefined,
  builder: 'buildkit' | 'classic',
  { store, apiVersion }: EngineCapabilities,
): BuildEpoch | undefined {
  if (seconds === undefined) return undefined;
  // Podman's `timestamp` makes the layers the same, but its configs name containers of the build, and it takes an
  // image of another time from its cache.
  if (builder === 'classic') return { seconds, reach: 'nothing' };
  if (store === 'containerd' && isAtLeast(apiVersion, FILES_API)) return { seconds, reach: 'all' };
  return { seconds, reach: isAtLeast(apiVersion, CONFIG_API) ? 'config' : 'nothing' };
}

/** What SOURCE_DATE_EPOCH is set for and this engine can't keep. */
export function epochWarning({ reach }: BuildEpoch): string | undefined {
  if (reach === 'all') return undefined;
  const short = {
    config: 'sets when the image was created, but files in its layers keep the time of the build',
    nothing: 'reaches only steps that ask for it: the image and its files keep the time of the build',
  };
  return `with this engine SOURCE_DATE_EPOCH ${short[reach]}; without a cache the digest is another each time. It takes Docker Engine 26 or later with the containerd image store`;
}
