import { readBounded, TooLarge } from '../config/bounded-file.js';
import type { BuildSecret } from '../config/build-settings.js';
import { build, type DockerfileSource } from '../engine/build/build.js';
import { chooseBuilder, refuseBeyondClassic, type Builder } from '../engine/build/builder.js';
import { buildClassic } from '../engine/build/classic.js';
import { decideOutput, type Provenance } from '../engine/build/output.js';
import type { BuildEvent } from '../engine/build/progress.js';
import type { BuildOutput, BuildSettings } from '../engine/build/query.js';
import { probeEngine, type EngineCapabilities } from '../engine/capabilities.js';
import type { Engine } from '../engine/engine.js';
import type { FindLogin } from '../engine/login.js';
import { pushImage } from '../engine/push.js';
import { inspectImage, type Inspection } from '../image/inspect.js';
import type { ImageSearch } from '../image/search.js';
import type { ShapeReader } from '../image/shape.js';
import type { Clock } from '../lib/clock.js';
import { DeployerError, messageOf } from '../lib/errors.js';
import type { Digest } from '../oci/digest.js';
import { formatReference, type Reference } from '../oci/reference.js';

export type { BuildEvent } from '../engine/build/progress.js';

/** BuildKit's own limit of a secret. */
const LARGEST_SECRET = 500 * 1024;

export interface BuildImageRequest extends Omit<BuildSettings, 'tags' | 'output'> {
  readonly reference: Reference & { readonly tag: string };
  readonly context: string;
  readonly dockerfile: DockerfileSource;
  readonly secrets: readonly BuildSecret[];
  readonly provenance: Provenance;
  readonly push: boolean;
}

export interface BuildImagePorts {
  readonly engine: Engine;
  readonly findLogin: FindLogin;
  readonly search: ImageSearch;
  readonly shapes: ShapeReader;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Told a secret's value before the build gets it. */
  readonly keepSecret: (value: string) => void;
  readonly onBuild: (event: BuildEvent) => void;
  readonly onPush: (current: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** The `--json` document of a build. */
export interface BuildImageResult {
  readonly reference: string;
  /** What the engine knows the image by. */
  readonly imageId: string;
  /** Of what a registry has, or would get: known once it is pushed, and before in a containerd store. */
  readonly digest?: string;
  readonly mediaType?: string;
  readonly kind?: 'index' | 'manifest';
  readonly attestations?: Inspection['attestations'];
  readonly pushed: boolean;
  readonly contextBytesSent: number;
  /** milliseconds */
  readonly durations: { readonly build: number; readonly push: number; readonly total: number };
}

/**
 * Builds an image and, when asked to, pushes it and makes sure that what lies in the registry is what was built.
 * @throws DeployerError `build_failed`, `build_unavailable`, `context_unreadable`, `push_failed`, `digest_mismatch`,
 *   and what a registry or the engine can answer
 */
export async function buildImage(
  request: BuildImageRequest,
  ports: BuildImagePorts,
): Promise<BuildImageResult> {
  const { engine, clock, signal } = ports;
  const { reference } = request;
  const started = clock.now();
  const capabilities = await probeEngine(engine, signal);
  const builder = chooseBuilder(capabilities, ports.env['DOCKER_BUILDKIT']);
  const output = outputFor(request, builder, capabilities);
  const name = formatReference(reference);
  const settings = { ...request, tags: [name] };
  const buildPorts = { engine, findLogin: ports.findLogin, onEvent: ports.onBuild, signal };
  const built =
    builder.kind === 'classic'
      ? await buildClassic(settings, builder, buildPorts)
      : await build({ ...settings, output, secrets: await readSecrets(request.secrets, ports) }, buildPorts);
  const ended = clock.now();
  const stored = request.push
    ? await pushAndConfirm(reference, output, ports)
    : localDigest(built.id, output);
  return {
    reference: name,
    imageId: built.id,
    ...stored,
    pushed: request.push,
    contextBytesSent: built.contextBytesSent,
    durations: {
      build: ended - started,
      push: request.push ? clock.now() - ended : 0,
      total: clock.now() - started,
    },
  };
}

function outputFor(request: BuildImageRequest, builder: Builder, engine: EngineCapabilities): BuildOutput {
  if (builder.kind === 'buildkit') return decideOutput(request.provenance, engine);
  refuseBeyondClassic({ ...request, secretIds: request.secrets.map(({ id }) => id) }, builder);
  // One manifest, whatever the store; its digest only a push can tell.
  return { store: 'graphdriver' };
}

/** Their values are kept out of what is printed, as a whole and line by line. */
async function readSecrets(
  secrets: readonly BuildSecret[],
  { env, keepSecret }: BuildImagePorts,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const values = new Map<string, Uint8Array>();
  for (const secret of secrets) {
    const value = 'file' in secret ? await readSecretFile(secret) : Buffer.from(env[secret.variable] ?? '');
    const text = value.toString('utf8');
    for (const part of [text, ...text.split('\n')]) keepSecret(part);
    values.set(secret.id, value);
  }
  return values;
}

async function readSecretFile({ id, file }: BuildSecret & { readonly file: string }): Promise<Buffer> {
  try {
    return await readBounded(file, LARGEST_SECRET);
  } catch (error) {
    const code =
      error instanceof TooLarge ? error.message : ((error as NodeJS.ErrnoException).code ?? messageOf(error));
    throw new DeployerError('usage', `--build-secret: ${id}: ${file} can't be read (${code})`, {
      cause: error,
    });
  }
}

function localDigest(id: string, output: BuildOutput): Pick<BuildImageResult, 'digest'> {
  return output.store === 'containerd' ? { digest: id } : {};
}

/** What the registry has after a push is asked of the registry: the engine's word is not taken for it. */
async function pushAndConfirm(
  reference: Reference & { readonly tag: string },
  output: BuildOutput,
  ports: BuildImagePorts,
): Promise<Required<Pick<BuildImageResult, 'digest' | 'mediaType' | 'kind' | 'attestations'>>> {
  const { engine, signal, search, shapes } = ports;
  const login = await ports.findLogin(reference.domain);
  const digest = await pushImage(reference, { engine, login, onProgress: ports.onPush, signal });
  const found = await search.find({ ...reference, digest }, { signal });
  const { mediaType, kind, attestations } = await inspectImage(found, shapes, { signal });
  const isAttested = output.store === 'containerd' && output.provenance !== 'off';
  if (isAttested !== attestations.length > 0) throw notAsPlanned(reference, digest, isAttested);
  return { digest, mediaType, kind, attestations };
}

function notAsPlanned(reference: Reference, digest: Digest, isAttested: boolean): DeployerError {
  const found = isAttested ? 'has no attestation' : 'has an attestation';
  const wanted = isAttested ? 'with provenance' : 'without';
  return new DeployerError(
    'push_failed',
    `${formatReference(reference)} was built ${wanted}, but what was pushed ${found}`,
    {
      evidence: [`pushed: ${digest}`],
      suggestions: [`see what it is: deployer image inspect ${formatReference(reference)}`],
    },
  );
}
