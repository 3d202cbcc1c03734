import type { Capabilities } from '../target.js';

/** What Fly Machines run (measured against flyctl's behaviour and Fly's documentation, 2026). */
export const flyCapabilities: Capabilities = {
  index: true,
  attestation: true,
  oci: true,
  docker: true,
  zstd: true,
  platforms: [{ os: 'linux', architecture: 'amd64' }],
  registries: 'any',
  digestReference: true,
  pull: {
    own: ['registry.fly.io'],
    elsewhere: 'anonymous',
    how: pullsFrom('registry.fly.io'),
  },
  // A manifest pushed to Fly's registry may answer MANIFEST_UNKNOWN for about 15 s.
  lag: { hosts: ['registry.fly.io'], ms: 16_000 },
  note: 'takes indexes since 2023; before, its API asked with Docker media types alone',
};

/** The same, of an API whose own registry is another. */
export function flyCapabilitiesWith(registry: string): Capabilities {
  const pull = { own: [registry], elsewhere: 'anonymous', how: pullsFrom(registry) } as const;
  return { ...flyCapabilities, pull };
}

function pullsFrom(registry: string): string {
  return `fly pulls only public images and those of ${registry}`;
}
