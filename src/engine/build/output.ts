import { DeployerError } from '../../lib/errors.js';
import { isAtLeast, type EngineCapabilities } from '../capabilities.js';
import type { BuildOutput } from './query.js';

export const PROVENANCE = ['auto', 'off', 'min', 'max'] as const;
export type Provenance = (typeof PROVENANCE)[number];

/** BuildKit 0.11, the first to attest, came with Engine 24 (API 1.43). */
const ATTESTING_API = [1, 43] as const;

/**
 * What the engine is asked to store. `auto` attests nothing. Without provenance it is one manifest in Docker's media
 * types, which everything takes and every store can hold; with it an OCI index, since there is no other.
 * @throws DeployerError `build_unavailable` when the engine would leave the provenance out without a word
 */
export function decideOutput(provenance: Provenance, engine: EngineCapabilities): BuildOutput {
  const mode = provenance === 'auto' ? 'off' : provenance;
  if (engine.store === 'containerd') {
    if (mode === 'off') return { store: 'containerd', mediaTypes: 'docker', provenance: 'off' };
    if (isAtLeast(engine.apiVersion, ATTESTING_API)) {
      return { store: 'containerd', mediaTypes: 'oci', provenance: mode };
    }
  } else if (mode === 'off') return { store: 'graphdriver' };
  throw new DeployerError(
    'build_unavailable',
    `--provenance ${mode}: this engine can't attest where an image comes from`,
    {
      evidence: [
        `${engine.product} ${engine.version}, API ${engine.apiVersion}, ${engine.store} store`,
        'it takes Docker Engine 24 or later with the containerd image store',
      ],
      suggestions: [
        'leave it out: --provenance off',
        'or turn the store on, in /etc/docker/daemon.json: {"features": {"containerd-snapshotter": true}}',
      ],
    },
  );
}
