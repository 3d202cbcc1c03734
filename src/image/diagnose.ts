import { DeployerError } from '../lib/errors.js';
import { ACCEPT_ALL, ACCEPT_DOCKER, MEDIA_TYPE } from '../oci/media-types.js';
import { formatReference, repositoryOf, type Reference } from '../oci/reference.js';
import type { RegistryAnswer } from '../registry/answer.js';
import type { RegistryClient } from '../registry/client.js';
import { adapt } from './adapt.js';
import type { Capabilities } from './capabilities.js';
import type { FoundImage } from './search.js';
import type { ImageShape, ShapeReader } from './shape.js';
import { verifyManifest } from './stored-manifest.js';

/** A kind of client, by how it asks. */
export interface ClientClass {
  readonly name: string;
  readonly who: string;
  readonly method: 'GET' | 'HEAD';
  readonly accept: readonly string[];
  readonly identity: 'configured' | 'anonymous';
}

const CLIENT_CLASSES: readonly ClientClass[] = [
  {
    name: 'full',
    who: 'deployer, crane, skopeo, containerd: every media type',
    method: 'GET',
    accept: ACCEPT_ALL,
    identity: 'configured',
  },
  {
    name: 'docker-only',
    who: "docker_registry2 before 1.14, and so Fly's API in January 2023: Docker media types alone",
    method: 'GET',
    accept: ACCEPT_DOCKER,
    identity: 'configured',
  },
  {
    name: 'oci-manifest-only',
    who: 'a client that knows OCI manifests but no index',
    method: 'GET',
    accept: [MEDIA_TYPE.ociManifest],
    identity: 'configured',
  },
  {
    name: 'head',
    who: 'containerd and buildx resolve with HEAD first: an error has no body there',
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

export interface ClientFinding {
  readonly name: string;
  readonly who: string;
  readonly method: string;
  readonly accept: readonly string[];
  /** 0 when no answer came. */
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
  readonly found: boolean;
}

export interface TargetFinding {
  readonly name: string;
  readonly runs: boolean;
  readonly adaptation: 'none' | 'pin' | 'convert' | 'copy' | 'rebuild';
  readonly reason: string;
}

/** The `--json` document of `deployer image diagnose`. */
export interface Diagnosis {
  readonly reference: string;
  readonly digest?: string;
  readonly clients: readonly ClientFinding[];
  readonly targets: readonly TargetFinding[];
  readonly suggestions: readonly string[];
}

export interface DiagnosePorts {
  readonly registry: RegistryClient;
  readonly anonymous: RegistryClient;
  readonly reader: ShapeReader;
  /** Whether anyone is logged in to this registry: else asking "with credentials" says nothing. */
  readonly authenticated: boolean;
}

export interface NamedCapabilities {
  readonly name: string;
  readonly capabilities: Capabilities;
}

/** Asks as each class of client asks, and says what each was told and which target can run what lies there. */
export async function diagnoseImage(
  reference: Reference,
  targets: readonly NamedCapabilities[],
  ports: DiagnosePorts,
  signal?: AbortSignal,
): Promise<Diagnosis> {
  const classes = ports.authenticated
    ? [
        ...CLIENT_CLASSES,
        { ...(CLIENT_CLASSES[0] as ClientClass), name: 'authenticated', who: 'with your credentials' },
      ]
    : CLIENT_CLASSES;
  // One after the other: the first answer brings the token that the others use, and a limited registry is spared.
  const clients: ClientFinding[] = [];
  let full: RegistryAnswer | undefined;
  for (const client of classes) {
    const { finding, answer } = await ask(client, reference, ports, signal);
    clients.push(finding);
    if (client.name === 'full') full = answer;
  }
  const found = full?.status === 200 && !full.html ? foundOf(full, reference) : undefined;
  const shape = found === undefined ? undefined : await readShape(found, ports.reader, signal);
  return {
    reference: formatReference(reference),
    ...(found === undefined ? {} : { digest: found.stored.digest }),
    clients,
    targets: found && shape ? targets.map((target) => judge(target, found, shape)) : [],
    suggestions: suggest(reference, clients, found),
  };
}

async function ask(
  client: ClientClass,
  reference: Reference,
  ports: DiagnosePorts,
  signal: AbortSignal | undefined,
): Promise<{ finding: ClientFinding; answer?: RegistryAnswer }> {
  const { name, who, method, accept, identity } = client;
  const registry = identity === 'anonymous' ? ports.anonymous : ports.registry;
  const asked = { name, who, method, accept };
  try {
    const answer = await registry.manifest(reference, { accept, method, ...(signal ? { signal } : {}) });
    const [error] = answer.errors;
    const told = error ?? (answer.html ? { code: 'HTML', message: 'a web page, no registry' } : undefined);
    return {
      answer,
      finding: { ...asked, status: answer.status, ...told, found: answer.status === 200 && !answer.html },
    };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof DeployerError)) throw error;
    return { finding: { ...asked, status: 0, code: error.code, message: error.message, found: false } };
  }
}

function foundOf(answer: RegistryAnswer, reference: Reference): FoundImage {
  return { reference, stored: verifyManifest(answer, reference) };
}

/** With the chosen manifests' layers, which tell zstd. */
async function readShape(found: FoundImage, reader: ShapeReader, signal?: AbortSignal): Promise<ImageShape> {
  const shape = await reader.read(found, signal);
  const images = await Promise.all(
    shape.images.map(async (image) => {
      const manifest = image.manifest ?? (await reader.manifestOf(found.reference, image.digest, signal));
      return manifest === undefined ? image : { ...image, manifest };
    }),
  );
  return { ...shape, images };
}

function judge(
  { name, capabilities }: NamedCapabilities,
  found: FoundImage,
  shape: ImageShape,
): TargetFinding {
  const decision = adapt({
    digest: found.stored.digest,
    domain: found.reference.domain,
    shape,
    target: name,
    capabilities,
  });
  if (decision.action === 'refuse') {
    return { name, runs: false, adaptation: 'rebuild', reason: `${decision.reason} (${capabilities.note})` };
  }
  const { action, copy } = decision;
  const elsewhere = `${action === 'none' ? '' : `${decision.reason}; `}${name} pulls from its own registries only`;
  return {
    name,
    runs: action === 'none' && !copy,
    adaptation: action === 'none' && copy ? 'copy' : action,
    reason: `${copy ? elsewhere : decision.reason} (${capabilities.note})`,
  };
}

function suggest(
  reference: Reference,
  clients: readonly ClientFinding[],
  found: FoundImage | undefined,
): string[] {
  const finding = (name: string): ClientFinding | undefined => clients.find((client) => client.name === name);
  const name = formatReference(reference);
  const suggestions: string[] = [];
  if (finding('full')?.found !== true)
    suggestions.push(`see what is wrong in full: deployer image inspect ${name}`);
  if (found !== undefined && finding('docker-only')?.found !== true) {
    suggestions.push(
      `deploy it by digest with a client that takes every form: deployer deploy --image ${repositoryOf(reference)}@${found.stored.digest} --app APP`,
      'for clients of before 2023, build without the attestation: docker buildx build --provenance=false --sbom=false ...',
    );
  }
  if (finding('anonymous')?.found === false && finding('full')?.found === true) {
    suggestions.push('the image is private: the platform that pulls it needs credentials of its own');
  }
  return suggestions;
}
