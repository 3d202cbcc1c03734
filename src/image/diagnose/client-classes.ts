import { ACCEPT_ALL, ACCEPT_DOCKER, MEDIA_TYPE } from '../../oci/media-types.js';

/** A kind of client, by how it asks. */
export interface ClientClass {
  readonly name: string;
  readonly who: string;
  readonly method: 'GET' | 'HEAD';
  /** In its own order. */
  readonly accept: readonly string[];
  readonly identity: 'configured' | 'anonymous';
}

/** The client whose answer decides: what it does not find, nobody does. */
export const FULL: ClientClass = {
  name: 'full',
  who: 'deployer, regclient: every media type',
  method: 'GET',
  accept: ACCEPT_ALL,
  identity: 'configured',
};

const {
  ociIndex,
  ociManifest,
  dockerList,
  dockerManifest,
  dockerSchema1: schema1,
  dockerSchema1Signed: schema1Signed,
} = MEDIA_TYPE;

/**
 * The clients of the field, with what each really sends (read from its source or seen on the wire); of the platforms
 * that keep their client to themselves, what they say they take.
 */
const CLIENTS: readonly ClientClass[] = [
  FULL,
  {
    name: 'docker-only',
    who: "docker_registry2 before 1.14, and so Fly's API in January 2023: Docker media types alone",
    method: 'GET',
    accept: ACCEPT_DOCKER,
    identity: 'configured',
  },
  {
    name: 'docker_registry2',
    who: 'docker_registry2 since 1.14',
    method: 'GET',
    accept: [dockerManifest, dockerList, ociManifest, ociIndex, 'application/json'],
    identity: 'configured',
  },
  {
    name: 'docker-20.10',
    who: 'Docker Engine 20.10, and later ones without the containerd store: HEAD, then this GET',
    method: 'GET',
    accept: [dockerManifest, dockerList, ociIndex, schema1Signed, 'application/json', ociManifest],
    identity: 'configured',
  },
  {
    name: 'containerd',
    who: 'containerd, Docker Engine since 23 with its store, buildx: HEAD first, where an error has no body',
    method: 'HEAD',
    accept: [dockerManifest, dockerList, ociManifest, ociIndex, '*/*'],
    identity: 'configured',
  },
  {
    name: 'crane',
    who: 'crane, and ko and kaniko with it',
    method: 'GET',
    accept: [schema1, schema1Signed, dockerManifest, ociManifest, dockerList, ociIndex],
    identity: 'configured',
  },
  {
    name: 'skopeo',
    who: 'skopeo, podman, buildah',
    method: 'GET',
    accept: [ociManifest, dockerManifest, schema1Signed, schema1, dockerList, ociIndex],
    identity: 'configured',
  },
  {
    name: 'oci-manifest-only',
    who: 'a client that knows OCI manifests but no index',
    method: 'GET',
    accept: [ociManifest],
    identity: 'configured',
  },
  {
    name: 'lambda',
    who: 'what AWS Lambda takes: one manifest of either form',
    method: 'GET',
    accept: [dockerManifest, ociManifest],
    identity: 'configured',
  },
  {
    name: 'cloudrun',
    who: 'what Cloud Run takes: every form since schema 1',
    method: 'GET',
    accept: [schema1Signed, schema1, dockerManifest, dockerList, ociManifest, ociIndex],
    identity: 'configured',
  },
  {
    name: 'heroku',
    who: 'what Heroku takes: one Docker manifest',
    method: 'GET',
    accept: [dockerManifest],
    identity: 'configured',
  },
  {
    name: 'head',
    who: 'a check whether it is there (HEAD with every media type)',
    method: 'HEAD',
    accept: ACCEPT_ALL,
    identity: 'configured',
  },
  {
    name: 'anonymous',
    who: 'a platform without your credentials',
    method: 'GET',
    accept: ACCEPT_ALL,
    identity: 'anonymous',
  },
];

/**
 * All there are to ask as.
 * @param authenticated whether anyone is logged in to the registry: else asking "with credentials" says nothing
 */
export function clientClasses(authenticated: boolean): readonly ClientClass[] {
  if (!authenticated) return CLIENTS;
  return [...CLIENTS, { ...FULL, name: 'authenticated', who: 'with your credentials' }];
}
