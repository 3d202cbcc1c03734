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
  /** Where that is named, for who has to mend it. */
  readonly targetFrom?: string;
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
  const { output } = settings;
  return {
    version: '2',
    ...sharedQuery(settings),
    buildargs: JSON.stringify({ ...settings.buildArgs, ...attestArgs(output) }),
    ...(output.store === 'graphdriver' ? {} : { outputs: outputsOf(output.mediaTypes) }),
  };
}

/** The parameters of `POST /build` of a classic builder, without its Dockerfile. */
export function classicQuery(
  settings: Omit<BuildSettings, 'output'>,
): Record<string, string | readonly string[]> {
  // The containers of its steps go in any case, also of one that failed.
  return { version: '1', ...sharedQuery(settings), rm: '1', forcerm: '1' };
}

function sharedQuery(settings: Omit<BuildSettings, 'output'>): Record<string, string | readonly string[]> {
  const { tags, buildArgs, labels, target, platforms, noCache } = settings;
  return {
    t: tags,
    buildargs: JSON.stringify(buildArgs),
    labels: JSON.stringify(labels),
    ...(target === undefined ? {} : { target }),
    ...(platforms.length === 0 ? {} : { platform: platforms.map(formatPlatform) }),
    ...(noCache ? { nocache: '1' } : {}),
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
