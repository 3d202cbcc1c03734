import type { NamedCapabilities } from '../image/diagnose.js';
import type { Capabilities } from './target.js';
import { flyCapabilities } from './fly/capabilities.js';

const LINUX_AMD64 = { os: 'linux', architecture: 'amd64' };
const LINUX_ARM64 = { os: 'linux', architecture: 'arm64' };

const takesAll: Capabilities = {
  index: true,
  attestation: true,
  oci: true,
  docker: true,
  zstd: true,
  platforms: [LINUX_AMD64],
  registries: 'any',
  digestReference: true,
  note: '',
};

/**
 * What the platforms of the field take, for `image diagnose`; a platform that `deploy` hands over to declares its
 * own table in its folder.
 */
export const knownPlatforms: readonly NamedCapabilities[] = [
  { name: 'fly', capabilities: flyCapabilities },
  {
    name: 'docker',
    capabilities: {
      ...takesAll,
      zstd: false,
      note: 'Docker Engine 20.10 takes indexes; zstd layers since 23.0',
    },
  },
  {
    name: 'swarm',
    capabilities: {
      ...takesAll,
      zstd: false,
      note: 'each node pulls for its own platform, as its Docker Engine can',
    },
  },
  {
    name: 'kubernetes',
    capabilities: {
      ...takesAll,
      note: 'containerd picks the platform out of an index; private images need pull secrets',
    },
  },
  {
    name: 'ecs',
    capabilities: {
      ...takesAll,
      platforms: [LINUX_AMD64, LINUX_ARM64],
      note: 'takes indexes, and zstd unless mixed with gzip',
    },
  },
  {
    name: 'cloudrun',
    capabilities: {
      ...takesAll,
      registries: ['gcr.io', '*.gcr.io', '*.pkg.dev', 'docker.io'],
      note: 'an index must hold linux/amd64; images from Artifact Registry, gcr.io or docker.io',
    },
  },
  {
    name: 'lambda',
    capabilities: {
      ...takesAll,
      index: false,
      attestation: false,
      zstd: false,
      platforms: [LINUX_AMD64, LINUX_ARM64],
      registries: ['*.amazonaws.com'],
      digestReference: true,
      note: 'one manifest, no index, so no attestation; private ECR of its own region',
    },
  },
  {
    name: 'heroku',
    capabilities: {
      ...takesAll,
      index: false,
      attestation: false,
      oci: false,
      zstd: false,
      registries: ['registry.heroku.com'],
      digestReference: false,
      note: 'one Docker schema 2 manifest in registry.heroku.com/APP/PROCESS',
    },
  },
];
