import { DeployerError } from '../../lib/errors.js';
import { formatPlatform } from '../../oci/platform.js';
import { isAtLeast, type EngineCapabilities } from '../capabilities.js';
import { decideEpoch } from './epoch.js';
import type { BuildOutput, BuildSettings } from './query.js';

export const PROVENANCE = ['auto', 'off', 'min', 'max'] as const;
export type Provenance = (typeof PROVENANCE)[number];

/** Whether what is built goes to its registry: by the engine from its store, or straight from the build. */
export type Push = 'none' | 'from-store' | 'direct';

/** BuildKit 0.11, the first to attest, came with Engine 24 (API 1.43). */
export const ATTESTING_API = [1, 43] as const;
/** For the evidence. */
export const TAKES_CONTAINERD = 'it takes Docker Engine 24 or later with the containerd image store';

const STORE = '/etc/docker/daemon.json: {"features": {"containerd-snapshotter": true}}';
/** What makes an engine keep such images, by the engine that there is. */
export function gettingTheStore({ product, apiVersion }: EngineCapabilities): string {
  return product === 'docker' && isAtLeast(apiVersion, ATTESTING_API)
    ? `turn the store on, in ${STORE}`
    : `build with Docker Engine 24 or later (DOCKER_HOST), with the store turned on in ${STORE}`;
}

/**
 * What the engine is asked to store. `auto` attests nothing. Without provenance it is in Docker's media types, which
 * everything takes and every store can hold: one manifest, or for several platforms a list of them. With provenance it
 * is an OCI index, since there is no other.
 * @throws DeployerError `build_unavailable` when the engine would leave out without a word what is asked for
 */
export function decideOutput(
  { provenance, provenanceFrom, platforms, cacheTo, sourceDateEpoch, push }: Asked,
  engine: EngineCapabilities,
): BuildOutput {
  const mode = provenance === 'auto' ? 'off' : provenance;
  const isContainerd = engine.store === 'containerd';
  if (platforms.length > 1 && !isContainerd) {
    const asked = `--platform ${platforms.map(formatPlatform).join(',')}`;
    throw unavailable(
      engine,
      `${asked}: this engine can't keep an image of several platforms`,
      'build for one: --platform OS/ARCH',
    );
  }
  if (cacheTo.some(({ type }) => type === 'registry') && !isContainerd) {
    throw unavailable(
      engine,
      "--cache-to: this engine can't push a cache by itself",
      'keep it inside of the image: --cache-to type=inline',
    );
  }
  if (push === 'direct' && !isContainerd) {
    throw unavailable(
      engine,
      "--direct-push: this engine can't push what it builds by itself",
      WITHOUT_DIRECT_PUSH,
    );
  }
  const epoch = decideEpoch(sourceDateEpoch, 'buildkit', engine);
  const more = {
    ...(epoch?.reach === 'all' ? ({ clampsTimes: true } as const) : {}),
    ...(push === 'direct' ? ({ isPushed: true } as const) : {}),
  };
  if (mode === 'off') {
    return isContainerd
      ? { store: 'containerd', mediaTypes: 'docker', provenance: 'off', ...more }
      : { store: 'graphdriver' };
  }
  if (isContainerd && isAtLeast(engine.apiVersion, ATTESTING_API)) {
    return { store: 'containerd', mediaTypes: 'oci', provenance: mode, ...more };
  }
  throw unavailable(
    engine,
    `${provenanceFrom ?? '--provenance'} ${mode}: this engine can't attest where an image comes from`,
    withoutProvenance(provenanceFrom),
  );
}

export const WITHOUT_DIRECT_PUSH = 'leave it out: the engine pushes from its store';

/** How to ask for none. */
export function withoutProvenance(from: string | undefined): string {
  return from === undefined
    ? 'leave it out: --provenance off'
    : `take out ${from}, or build without once: --provenance off`;
}

type Asked = Pick<BuildSettings, 'platforms' | 'cacheTo' | 'sourceDateEpoch'> & {
  readonly provenance: Provenance;
  readonly push: Push;
  /** `fly.toml:6: build.provenance`; `--provenance` unless told. */
  readonly provenanceFrom?: string;
};

function unavailable(engine: EngineCapabilities, message: string, instead: string): DeployerError {
  const { product, version, apiVersion, store } = engine;
  return new DeployerError('build_unavailable', message, {
    evidence: [`${product} ${version}, API ${apiVersion}, ${store} store`, TAKES_CONTAINERD],
    suggestions: [instead, `or ${gettingTheStore(engine)}`],
  });
}
