import type { Platform } from '../../oci/descriptor.js';
import { formatPlatform } from '../../oci/platform.js';
import type { BuildCache } from './cache.js';

/** What shapes the image, apart from its files. */
export interface BuildSettings {
  readonly tags: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** The stage to build; the last unless told. */
  readonly target?: string;
  /** None: the engine's own. Several make one index. */
  readonly platforms: readonly Platform[];
  readonly noCache: boolean;
  /** Caches beside the engine's own. */
  readonly cacheFrom: readonly BuildCache[];
  readonly cacheTo: readonly BuildCache[];
  readonly output: BuildOutput;
}

/** What the engine is to store. */
export type BuildOutput =
  /** Docker's own media types, one manifest: all that a graphdriver store can make. */
  | { readonly store: 'graphdriver' }
  | {
      readonly store: 'containerd';
      readonly mediaTypes: 'oci' | 'docker';
      readonly provenance: 'off' | 'min' | 'max';
    };

/** The parameters of `POST /build?version=2`, without those of its session. */
export function buildQuery(settings: BuildSettings): Record<string, string | readonly string[]> {
  const { tags, labels, target, platforms, noCache, output } = settings;
  return {
    version: '2',
    t: tags,
    buildargs: JSON.stringify({ ...settings.buildArgs, ...attestArgs(output) }),
    labels: JSON.stringify(labels),
    ...(target === undefined ? {} : { target }),
    ...(platforms.length === 0 ? {} : { platform: platforms.map(formatPlatform) }),
    ...(noCache ? { nocache: '1' } : {}),
    ...(output.store === 'graphdriver' ? {} : { outputs: outputsOf(output.mediaTypes) }),
  };
}

/** Any value attests, also `false`: without provenance it must not be there. */
function attestArgs(output: BuildOutput): Record<string, string> {
  if (output.store === 'graphdriver' || output.provenance === 'off') return {};
  return { BUILDKIT_ATTEST_PROVENANCE: `mode=${output.provenance}` };
}

// Always said: the default differs between versions of BuildKit.
function outputsOf(mediaTypes: 'oci' | 'docker'): string {
  return JSON.stringify([{ Type: 'moby', Attrs: { 'oci-mediatypes': String(mediaTypes === 'oci') } }]);
}
