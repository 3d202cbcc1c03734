import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { Platform } from '../../oci/descriptor.js';
import { formatPlatform } from '../../oci/platform.js';
import { readIgnoreFile } from '../context/ignore-file.js';
import { leftOutOf } from '../context/left-out.js';
import { packContext, type PackOptions } from '../context/pack.js';
import type { PatternMatcher } from '../context/pattern-matcher.js';
import { EngineRefusal, engineLost } from '../engine.js';
import { readJsonLines } from '../json-stream.js';
import { authConfigOf, encodeLogins, keepingAsked, plainHttpTo, type FindLogin } from '../login.js';
import { Upload, type WriteOn } from '../upload.js';
import { registriesOf } from './base-images.js';
import { askedOf, type BuildPorts, type BuildRequest, type BuiltImage } from './build.js';
import { isFor, originOf, otherPlatform, platformDue, platformOf } from './built-platform.js';
import { refuseInstructionsBeyondClassic, type ClassicBuilder } from './builder.js';
import { placeInArchive, type ClassicDockerfile } from './classic-dockerfile.js';
import { ClassicTrace, ContextTrace } from './classic-trace.js';
import { copiedIn } from './copied-paths.js';
import { BuildError, buildFailed } from './failure.js';
import { BuildProgress, type BuildEvent } from './progress.js';
import { classicQuery } from './query.js';

export type ClassicBuildRequest = Omit<BuildRequest, 'secrets' | 'output'>;

/**
 * Builds without BuildKit (Docker's classic builder, Podman): the whole context goes to the engine as a tar, each time.
 * What the builder would leave out is to be refused before (`refuseBeyondClassic`).
 * @throws as `build`, and DeployerError `build_unavailable` for a Dockerfile that takes BuildKit
 */
export async function buildClassic(
  request: ClassicBuildRequest,
  builder: ClassicBuilder,
  ports: BuildPorts,
): Promise<BuiltImage> {
  const { context } = request;
  const excluded = await readIgnoreFile(context, ownFile(request));
  const dockerfile = await placeInArchive(request.dockerfile, context, excluded);
  refuseInstructionsBeyondClassic(dockerfile, builder);
  const origin = originOf(dockerfile.text, request.target);
  const due = platformDue(request.platforms, origin, ports.hostPlatform);
  const progress = new BuildProgress(ports.onEvent);
  const parts = { dockerfile, excluded, builder, progress };
  const asked = withLabels(request, builder, ports);
  let made = await attempt(asked, { ...parts, round: 1 }, ports);
  if (due !== undefined && !isFor(due, made.platform) && !asked.noCache && made.cached) {
    ports.onEvent(otherInCache(due, made.platform, builder));
    const again = await attempt({ ...asked, noCache: true }, { ...parts, round: 2 }, ports);
    made = { ...again, contextBytesSent: made.contextBytesSent + again.contextBytesSent };
  }
  if (due !== undefined && !isFor(due, made.platform))
    throw otherPlatform(due, made.platform, origin, builder.name);
  const { id, contextBytesSent } = made;
  return { id, contextBytesSent, ...(origin.pinned && { pinned: origin.pinned }) };
}

function ownFile({ dockerfile }: ClassicBuildRequest) {
  return 'folder' in dockerfile ? dockerfile : undefined;
}

/** A classic builder's cache asks of a step what it does, and not for which platform. */
function otherInCache(due: Platform, found: Platform, { name }: ClassicBuilder): BuildEvent {
  const message = `every step is run again, for ${formatPlatform(due)}: ${name} had them in its cache for ${formatPlatform(found)}`;
  return { type: 'warning', message };
}

interface AttemptParts {
  readonly dockerfile: ClassicDockerfile;
  readonly excluded: PatternMatcher | undefined;
  readonly builder: ClassicBuilder;
  readonly progress: BuildProgress;
  /** Keeps its steps apart from those of another. */
  readonly round: number;
}

interface Attempt extends BuiltImage {
  readonly platform: Platform;
  /** Whether a step came from the engine's cache. */
  readonly cached: boolean;
}

async function attempt(
  request: ClassicBuildRequest,
  { dockerfile, excluded, builder, progress, round }: AttemptParts,
  ports: BuildPorts,
): Promise<Attempt> {
  const logins = keepingAsked(ports.findLogin);
  const archive = new Archive(request.context, dockerfile, excluded, { progress, round }, ports);
  const trace = new ClassicTrace(round);
  try {
    const asking = { ...ports, findLogin: logins.find };
    const id = await follow(request, dockerfile, archive, { progress, trace }, asking);
    const platform = await platformOf(id, ports.engine, ports.signal);
    return { id, platform, cached: trace.cached, contextBytesSent: archive.contentBytes };
  } catch (error) {
    if (ports.signal.aborted && builder.engine.product === 'podman') ports.onEvent(STILL_RUNNING);
    ports.signal.throwIfAborted();
    if (archive.failure !== undefined) throw archive.failure;
    if (!(error instanceof BuildError) && !(error instanceof EngineRefusal)) throw error;
    throw buildFailed({
      message: error.message,
      step: progress.failed,
      dockerfile: { name: dockerfile.shown, text: dockerfile.text },
      leftOut: await leftOutOf(request.context, ownFile(request), copiedIn(dockerfile.text)),
      logins: logins.asked,
      ...askedOf(request, ports),
    });
  } finally {
    archive.body.destroy();
  }
}

/** Docker ends it when the request does. */
const STILL_RUNNING: BuildEvent = {
  type: 'warning',
  message: 'Podman runs the step that it is at to its end, and ends the build then',
};

/** Podman forgets the labels of an image whose last step it has in its cache. */
function withLabels(
  request: ClassicBuildRequest,
  { engine }: ClassicBuilder,
  { onEvent }: BuildPorts,
): ClassicBuildRequest {
  const isForgetful = engine.product === 'podman' && Object.keys(request.labels).length > 0;
  if (!isForgetful || request.noCache) return request;
  const message = 'every step is run again: Podman sets no --label on an image that it has in its cache';
  onEvent({ type: 'warning', message });
  return { ...request, noCache: true };
}

async function follow(
  request: ClassicBuildRequest,
  dockerfile: ClassicDockerfile,
  { body }: Archive,
  { progress, trace }: { readonly progress: BuildProgress; readonly trace: ClassicTrace },
  { engine, findLogin, signal }: BuildPorts,
): Promise<string> {
  const registries = registriesOf(dockerfile.text, request.buildArgs);
  const answer = await engine.stream({
    method: 'POST',
    path: '/build',
    query: { ...classicQuery(request), dockerfile: dockerfile.path, ...plainHttpTo(registries) },
    headers: {
      'Content-Type': 'application/x-tar',
      'X-Registry-Config': encodeLogins(await loginsTo(registries, findLogin)),
    },
    body,
    signal,
  });
  let id: string | undefined;
  try {
    for await (const line of readJsonLines(answer)) {
      for (const told of trace.read(line, performance.now())) progress.update(told);
      // One at the end of each stage.
      const { ID } = (line['aux'] ?? {}) as { readonly ID?: unknown };
      if (typeof ID === 'string') id = cleanLine(ID, 100);
      if (typeof line['error'] !== 'string') continue;
      for (const told of trace.end(performance.now(), line['error'])) progress.update(told);
      throw new BuildError(line['error']);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof BuildError ? error : engineLost(error, 'POST /build');
  }
  for (const told of trace.end(performance.now())) progress.update(told);
  if (id === undefined) throw engineLost(new Error('the build ended without an image'), 'POST /build');
  return id;
}

/** bytes of which a change is told */
const TOLD = 1024 * 1024;

/** The body of the request, and what became of it: of its failure the request knows only that it broke off. */
class Archive {
  readonly body: Upload;
  contentBytes = 0;
  failure: DeployerError | undefined;

  constructor(
    context: string,
    { placed }: ClassicDockerfile,
    excluded: PatternMatcher | undefined,
    told: Pick<AttemptParts, 'progress' | 'round'>,
    { onEvent, signal }: BuildPorts,
  ) {
    const options: PackOptions = {
      placed,
      signal,
      ...(excluded === undefined ? {} : { excluded }),
      onPacked: (bytes) => (this.contentBytes += bytes),
      onWarning: (message) => onEvent({ type: 'warning', message: cleanLine(message, 1000) }),
    };
    this.body = new Upload((write) => this.#pack(context, options, told, write));
  }

  async #pack(
    context: string,
    options: PackOptions,
    { progress, round }: Pick<AttemptParts, 'progress' | 'round'>,
    write: WriteOn,
  ): Promise<void> {
    const trace = new ContextTrace(performance.now(), round);
    progress.update(trace.begin());
    let told = 0;
    try {
      await packContext(context, options, async (bytes) => {
        await write(bytes);
        if (this.contentBytes - told < TOLD) return;
        told = this.contentBytes;
        progress.update(trace.sent(told));
      });
    } catch (error) {
      if (error instanceof DeployerError) this.failure = error;
      throw error;
    }
    progress.update(trace.sent(this.contentBytes));
    progress.update(trace.end(performance.now()));
  }
}

/** An engine gets the logins of these registries and no others. */
async function loginsTo(
  registries: readonly string[],
  findLogin: FindLogin,
): Promise<Record<string, object>> {
  const logins: Record<string, object> = {};
  for (const domain of registries) {
    const login = await findLogin(domain);
    const host = domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain;
    if (login !== undefined) logins[host] = authConfigOf(login, host);
  }
  return logins;
}
