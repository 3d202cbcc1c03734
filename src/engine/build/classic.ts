import { Readable } from 'node:stream';
import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { readIgnoreFile } from '../context/ignore-file.js';
import { packContext } from '../context/pack.js';
import { EngineRefusal, engineLost } from '../engine.js';
import { readJsonLines } from '../json-stream.js';
import { authConfigOf, encodeLogins, type FindLogin } from '../login.js';
import { registriesOf } from './base-images.js';
import type { BuildPorts, BuildRequest, BuiltImage } from './build.js';
import { refuseInstructionsBeyondClassic, type Builder } from './builder.js';
import { placeInArchive, type ClassicDockerfile } from './classic-dockerfile.js';
import { ClassicTrace, ContextTrace } from './classic-trace.js';
import { buildFailed } from './failure.js';
import { BuildProgress } from './progress.js';
import { classicQuery } from './query.js';

/**
 * Builds without BuildKit (Docker's classic builder, Podman): the whole context goes to the engine as a tar, each time.
 * What the builder would leave out is to be refused before (`refuseBeyondClassic`).
 * @throws as `build`, and DeployerError `build_unavailable` for a Dockerfile that takes BuildKit
 */
export async function buildClassic(
  request: Omit<BuildRequest, 'secrets' | 'output'>,
  builder: Builder & { readonly kind: 'classic' },
  ports: BuildPorts,
): Promise<BuiltImage> {
  const { context } = request;
  const excluded = await readIgnoreFile(
    context,
    'folder' in request.dockerfile ? request.dockerfile : undefined,
  );
  const dockerfile = await placeInArchive(request.dockerfile, context, excluded);
  refuseInstructionsBeyondClassic(dockerfile, builder);
  const progress = new BuildProgress(ports.onEvent);
  const archive = new Archive(context, { dockerfile, ...(excluded && { excluded }) }, progress, ports);
  try {
    const id = await follow(request, dockerfile, archive, progress, ports);
    return { id, contextBytesSent: archive.contentBytes };
  } catch (error) {
    ports.signal.throwIfAborted();
    if (archive.failure !== undefined) throw archive.failure;
    if (!(error instanceof BuildError) && !(error instanceof EngineRefusal)) throw error;
    throw buildFailed({
      message: error.message,
      step: progress.failed,
      dockerfile: { name: dockerfile.shown, text: dockerfile.text },
    });
  } finally {
    archive.body.destroy();
  }
}

/** What the engine says in its stream of why there is no image. */
class BuildError extends Error {}

async function follow(
  request: Omit<BuildRequest, 'secrets' | 'output'>,
  dockerfile: ClassicDockerfile,
  { body }: Archive,
  progress: BuildProgress,
  { engine, findLogin, signal }: BuildPorts,
): Promise<string> {
  const registries = registriesOf(dockerfile.text, request.buildArgs);
  const answer = await engine.stream({
    method: 'POST',
    path: '/build',
    query: { ...classicQuery(request), dockerfile: dockerfile.path },
    headers: {
      'Content-Type': 'application/x-tar',
      'X-Registry-Config': encodeLogins(await loginsTo(registries, findLogin)),
    },
    body,
    signal,
  });
  const trace = new ClassicTrace();
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

/** The body of the request, and what became of it: of its failure the request knows only that it broke off. */
class Archive {
  readonly body: Readable;
  contentBytes = 0;
  failure: DeployerError | undefined;

  constructor(
    context: string,
    {
      dockerfile,
      ...options
    }: { readonly dockerfile: ClassicDockerfile } & Pick<Parameters<typeof packContext>[1], 'excluded'>,
    progress: BuildProgress,
    { onEvent, signal }: BuildPorts,
  ) {
    const chunks = packContext(context, {
      ...options,
      placed: dockerfile.placed,
      signal,
      onPacked: (bytes) => (this.contentBytes += bytes),
      onWarning: (message) => onEvent({ type: 'warning', message: cleanLine(message, 1000) }),
    });
    this.body = Readable.from(this.#watched(chunks, progress), { objectMode: false });
  }

  async *#watched(chunks: AsyncIterable<Buffer>, progress: BuildProgress): AsyncGenerator<Buffer> {
    const trace = new ContextTrace(performance.now());
    progress.update(trace.begin());
    try {
      for await (const chunk of chunks) {
        yield chunk;
        progress.update(trace.sent(this.contentBytes));
      }
    } catch (error) {
      if (error instanceof DeployerError) this.failure = error;
      throw error;
    }
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
