import { requireSocket } from '../config/build-files.js';
import type { BuildSecret, SshAgent } from '../config/build-settings.js';
import { build, type BuiltImage, type DockerfileSource } from '../engine/build/build.js';
import { chooseBuilder, refuseBeyondClassic, type Builder } from '../engine/build/builder.js';
import { buildClassic } from '../engine/build/classic.js';
import { decideEpoch, epochWarning, type BuildEpoch } from '../engine/build/epoch.js';
import { decideOutput, type Provenance, type Push } from '../engine/build/output.js';
import type { BuildEvent } from '../engine/build/progress.js';
import { pushesDirectly, type BuildOutput, type BuildSettings } from '../engine/build/query.js';
import { probeEngine, type EngineCapabilities } from '../engine/capabilities.js';
import type { Engine } from '../engine/engine.js';
import type { FindLogin } from '../engine/login.js';
import type { PushedLayer } from '../engine/push-layers.js';
import { pushImage } from '../engine/push.js';
import type { ReachedEngine } from '../engine/reach.js';
import type { Capabilities } from '../image/capabilities.js';
import { inspectImage, type Inspection } from '../image/inspect.js';
import type { FoundImage, ImageSearch } from '../image/search.js';
import type { ShapeReader } from '../image/shape.js';
import type { Clock } from '../lib/clock.js';
import { isDigest, type Digest } from '../oci/digest.js';
import { formatReference, parseReference, repositoryOf, type Reference } from '../oci/reference.js';
import { readSecrets, type SecretPorts } from './build-secrets.js';
import { staysInRegistry } from './kept-image.js';
import { differencesFrom, isStoredAs, notAsPromised, otherThanBuilt } from './promised-image.js';

export type { BuildEvent } from '../engine/build/progress.js';
export type { PushedLayer } from '../engine/push-layers.js';

export interface BuildImageRequest extends Omit<BuildSettings, 'tags' | 'output'> {
  readonly reference: Reference & { readonly tag: string };
  readonly context: string;
  readonly dockerfile: DockerfileSource;
  readonly secrets: readonly BuildSecret[];
  readonly sshAgents?: readonly SshAgent[];
  readonly provenance: Provenance;
  /** Where it is asked for: `fly.toml:6: build.provenance`; by `--provenance` unless told. */
  readonly provenanceFrom?: string;
  readonly push: Push;
}

export interface BuildImagePorts extends SecretPorts {
  /** Asked when all else that a build needs has been read. */
  readonly connectEngine: () => Promise<ReachedEngine>;
  readonly findLogin: FindLogin;
  readonly search: ImageSearch;
  readonly shapes: ShapeReader;
  readonly clock: Clock;
  /** Of registries that show a push only some time after it. */
  readonly lag?: Capabilities['lag'];
  readonly onBuild: (event: BuildEvent) => void;
  readonly onPush: (current: number, total: number, layer: PushedLayer) => void;
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
  const image = await ImageBuild.prepare(request, ports);
  const built = await image.build();
  const pushed = request.push === 'none' ? undefined : await image.push(built);
  const { clock } = ports;
  return {
    ...image.result(built, pushed),
    durations: {
      build: built.durationMs,
      push: pushed?.durationMs ?? 0,
      total: clock.now() - image.started,
    },
  };
}

interface Built extends BuiltImage {
  /** milliseconds */
  readonly durationMs: number;
}

/** What its registry has after a push. */
export interface Pushed extends Required<
  Pick<BuildImageResult, 'digest' | 'mediaType' | 'kind' | 'attestations'>
> {
  readonly found: FoundImage;
  /** milliseconds */
  readonly durationMs: number;
}

interface ReadBefore extends ReachedEngine {
  readonly capabilities: EngineCapabilities;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
}

/** A build and the push after it. Prepared by reading alone, so that a plan can tell of both. */
export class ImageBuild {
  readonly started: number;
  readonly engine: EngineCapabilities & Pick<ReachedEngine, 'address'>;
  /** What the engine will store. */
  readonly output: BuildOutput;
  /** Where SOURCE_DATE_EPOCH is set. */
  readonly epoch: BuildEpoch | undefined;
  readonly #engine: Engine;
  readonly #builder: Builder;
  readonly #request: BuildImageRequest;
  readonly #ports: BuildImagePorts;
  readonly #secrets: ReadonlyMap<string, Uint8Array>;

  private constructor(
    started: number,
    request: BuildImageRequest,
    ports: BuildImagePorts,
    { engine, address, capabilities, secrets }: ReadBefore,
  ) {
    this.started = started;
    this.engine = { ...capabilities, address };
    this.#engine = engine;
    this.#builder = chooseBuilder(capabilities, ports.env['DOCKER_BUILDKIT']);
    this.output = outputFor(request, this.#builder, capabilities);
    this.epoch = decideEpoch(request.sourceDateEpoch, this.#builder.kind, capabilities);
    this.#request = request;
    this.#ports = ports;
    this.#secrets = secrets;
  }

  /**
   * @throws DeployerError `usage` (a secret or an agent that is not there), `build_unavailable` for what the engine
   *   can't do, `engine_unavailable`
   */
  static async prepare(request: BuildImageRequest, ports: BuildImagePorts): Promise<ImageBuild> {
    const started = ports.clock.now();
    for (const { socket } of request.sshAgents ?? []) await requireSocket(socket, '--ssh');
    const secrets = await readSecrets(request.secrets, ports);
    const connected = await ports.connectEngine();
    const capabilities = await probeEngine(connected.engine, ports.signal);
    return new ImageBuild(started, request, ports, { ...connected, capabilities, secrets });
  }

  async build(): Promise<Built> {
    const { findLogin, onBuild, clock, signal } = this.#ports;
    const started = clock.now();
    const settings = { ...this.#request, tags: [formatReference(this.#request.reference)] };
    const hostPlatform = this.engine.platform;
    const ports = { engine: this.#engine, findLogin, hostPlatform, onEvent: onBuild, signal };
    const builder = this.#builder;
    const warning = this.epoch && epochWarning(this.epoch);
    if (warning !== undefined) onBuild({ type: 'warning', message: warning });
    const built =
      builder.kind === 'classic'
        ? await buildClassic(settings, builder, ports)
        : await build({ ...settings, output: this.output, secrets: this.#secrets }, ports);
    return { ...built, durationMs: clock.now() - started };
  }

  /** What the registry has after a push is asked of the registry: the engine's word is not taken for it. */
  async push({ id, pinned }: Built): Promise<Pushed> {
    const { search, shapes, clock, signal, lag } = this.#ports;
    const { reference, platforms } = this.#request;
    const started = clock.now();
    const pushed = await this.#send(id);
    const lagMs = lag?.hosts.includes(reference.domain) === true ? lag.ms : 0;
    const found = await search.find({ ...reference, digest: pushed }, { lagMs, signal });
    if (!isStoredAs(id, found.stored)) throw otherThanBuilt(reference, id, found.stored);
    const inspected = await inspectImage({
      name: formatReference(reference),
      stored: found.stored,
      content: shapes.contentOf(reference, signal),
    });
    const differences = differencesFrom(
      { output: this.output, platforms: pinned === undefined || platforms.length > 1 ? platforms : [] },
      inspected,
    );
    if (differences.length > 0) throw notAsPromised(reference, pushed, differences);
    const { mediaType, kind, attestations } = inspected;
    return { found, digest: pushed, mediaType, kind, attestations, durationMs: clock.now() - started };
  }

  /**
   * From the engine's store, unless the builder has done so by itself: that begins when all is stored, too, so it is no
   * faster, and tells of no layer and no byte (measured on Docker 28).
   */
  async #send(id: string): Promise<Digest> {
    if (pushesDirectly(this.output) && isDigest(id)) return id;
    const { findLogin, onPush, signal } = this.#ports;
    const { reference } = this.#request;
    const login = await findLogin(reference.domain);
    return pushImage(id, reference, { engine: this.#engine, login, onProgress: onPush, signal });
  }

  /** What there is now. */
  result(built: Built, pushed: Pushed | undefined): Omit<BuildImageResult, 'durations'> {
    const { id, contextBytesSent } = built;
    return {
      reference: formatReference(this.#request.reference),
      imageId: id,
      ...(pushed === undefined ? localDigest(id, this.output) : inRegistry(pushed)),
      pushed: pushed !== undefined,
      contextBytesSent,
    };
  }
}

/** Of an image that was built for what then failed. */
export function keptInRegistry({
  reference,
  digest,
}: Pick<BuildImageResult, 'reference' | 'digest'>): string {
  const name = digest === undefined ? reference : `${repositoryOf(parseReference(reference))}@${digest}`;
  return staysInRegistry(name);
}

function inRegistry({ digest, mediaType, kind, attestations }: Pushed) {
  return { digest, mediaType, kind, attestations };
}

function outputFor(request: BuildImageRequest, builder: Builder, engine: EngineCapabilities): BuildOutput {
  if (builder.kind === 'buildkit') return decideOutput(request, engine);
  refuseBeyondClassic(
    {
      ...request,
      secretIds: request.secrets.map(({ id }) => id),
      hasSsh: request.sshAgents !== undefined && request.sshAgents.length > 0,
    },
    builder,
  );
  // One manifest: in a containerd store an OCI one, which is all that Docker's classic builder makes there.
  return engine.store === 'containerd'
    ? { store: 'containerd', mediaTypes: 'oci', provenance: 'off' }
    : { store: 'graphdriver' };
}

function localDigest(id: string, output: BuildOutput): Pick<BuildImageResult, 'digest'> {
  return output.store === 'containerd' ? { digest: id } : {};
}
