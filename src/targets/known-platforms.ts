import type { Capabilities, KnownPlatform } from '../image/capabilities.js';
import { flyCapabilities, flyCapabilitiesWith } from './fly/capabilities.js';
import { flyRegistryHost } from './fly/registry-host.js';

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
export const knownPlatforms: readonly KnownPlatform[] = [
  { name: 'fly', capabilities: flyCapabilities, repository: 'registry.fly.io/APP', deploys: true },
  {
    name: 'docker',
    capabilities: {
      ...takesAll,
      zstd: false,
      pull: { own: [], elsewhere: 'credentials', how: 'the engine pulls with what docker login gave it' },
      note: 'Docker Engine 20.10 takes indexes; zstd layers since 23.0',
    },
  },
  {
    name: 'swarm',
    capabilities: {
      ...takesAll,
      zstd: false,
      pull: {
        own: [],
        elsewhere: 'credentials',
        how: 'its nodes pull with the credentials that go along: docker service create --with-registry-auth',
      },
      note: 'each node pulls for its own platform, as its Docker Engine can',
    },
  },
  {
    name: 'kubernetes',
    capabilities: {
      ...takesAll,
      pull: { own: [], elsewhere: 'credentials', how: 'its nodes pull with a pull secret: imagePullSecrets' },
      note: 'containerd picks the platform out of an index',
    },
  },
  {
    name: 'ecs',
    capabilities: {
      ...takesAll,
      platforms: [LINUX_AMD64, LINUX_ARM64],
      pull: {
        own: ['*.amazonaws.com'],
        elsewhere: 'credentials',
        how: "it pulls from ECR with the task's execution role, else with repositoryCredentials",
      },
      note: 'takes indexes, and zstd unless mixed with gzip',
    },
  },
  {
    name: 'cloudrun',
    capabilities: {
      ...takesAll,
      registries: ['gcr.io', '*.gcr.io', '*.pkg.dev', 'docker.io'],
      pull: {
        own: ['gcr.io', '*.gcr.io', '*.pkg.dev'],
        elsewhere: 'anonymous',
        how: 'cloudrun pulls with its service agent from Artifact Registry and gcr.io, and public images from docker.io',
      },
      note: 'an index must hold linux/amd64; images from Artifact Registry, gcr.io or docker.io',
    },
    repository: 'REGION-docker.pkg.dev/PROJECT/REPOSITORY/APP',
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
      pull: {
        own: ['*.amazonaws.com'],
        elsewhere: 'anonymous',
        how: 'lambda pulls from private ECR with the rights of the repository policy',
      },
      note: 'one manifest, no index, so no attestation; private ECR of its own region',
    },
    repository: 'ACCOUNT.dkr.ecr.REGION.amazonaws.com/APP',
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
      pull: {
        own: ['registry.heroku.com'],
        elsewhere: 'anonymous',
        how: 'heroku runs what lies in its own registry',
      },
      digestReference: false,
      note: 'one Docker schema 2 manifest in registry.heroku.com/APP/PROCESS',
    },
    repository: 'registry.heroku.com/APP/web',
  },
];

/**
 * The same, as the environment has them: FLY_REGISTRY_HOST says where Fly's own images are.
 * @throws DeployerError `usage` when that is no HOST[:PORT]
 */
export function platformsIn(env: Readonly<Record<string, string | undefined>>): readonly KnownPlatform[] {
  const host = flyRegistryHost(env);
  if (host === undefined) return knownPlatforms;
  const ofFly = { capabilities: flyCapabilitiesWith(host), repository: `${host}/APP` };
  return knownPlatforms.map((platform) => (platform.name === 'fly' ? { ...platform, ...ofFly } : platform));
}
