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
  /** What it takes for now, in seconds since 1970; `buildArgs` has it too. */
  readonly sourceDateEpoch?: number;
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
      /** The builder pushes it when it is stored. */
      readonly isPushed?: true;
      /** No file in the layers that are made is younger than SOURCE_DATE_EPOCH. */
      readonly clampsTimes?: true;
    };

/** Whether the builder pushes what it made by itself. */
export function pushesDirectly(output: BuildOutput): boolean {
  return output.store === 'containerd' && output.isPushed === true;
}

/** The parameters of `POST /build?version=2`, without those of its session. */
export function buildQuery(settings: BuildSettings): Record<string, string | readonly string[]> {
  const { output } = settings;
  return {
    version: '2',
    ...sharedQuery(settings),
    buildargs: JSON.stringify({ ...settings.buildArgs, ...attestArgs(output) }),
    ...(output.store === 'graphdriver' ? {} : { outputs: outputsOf(output) }),
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

function outputsOf(output: BuildOutput): string {
  const { type, attributes } = exporterOf(output);
  return JSON.stringify([{ Type: type, Attrs: attributes }]);
}

/** The exporter of BuildKit that stores this, and its attributes. */
export function exporterOf(output: BuildOutput): {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
} {
  if (output.store === 'graphdriver') return { type: 'moby', attributes: {} };
  // Always said: the default differs between versions of BuildKit.
  const attributes = {
    'oci-mediatypes': String(output.mediaTypes === 'oci'),
    ...(pushesDirectly(output) ? { push: 'true' } : {}),
  };
  if (output.clampsTimes !== true) return { type: 'moby', attributes };
  // Not Docker's own: that one unpacks what it stores, which BuildKit refuses to do with times that it wrote anew
  // (moby/buildkit#4230). The engine unpacks this when it is run.
  return { type: 'image', attributes: { ...attributes, 'rewrite-timestamp': 'true' } };
}
