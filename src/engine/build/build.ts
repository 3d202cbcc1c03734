import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { parseReference } from '../../oci/reference.js';
import { EngineRefusal, engineLost, type Engine } from '../engine.js';
import { readJsonLines } from '../json-stream.js';
import { keepingAsked, type AskedLogins, type FindLogin } from '../login.js';
import { pushRefused } from '../push.js';
import { ignoreFault, leftOutOf } from '../context/left-out.js';
import { diffCopy } from '../session/file-sync.js';
import { authMethods, healthMethods, secretMethods } from '../session/services.js';
import { sshMethods, type SshAgent } from '../session/ssh-agents.js';
import { openSession } from '../session/session.js';
import { originOf, type PinnedPlatform } from './built-platform.js';
import { copiedIn } from './copied-paths.js';
import { BuildError, buildFailed, type BuildFailure } from './failure.js';
import { BuildProgress, type BuildEvent } from './progress.js';
import { buildQuery, pushesDirectly, type BuildSettings } from './query.js';
import { needsSolve, solve, type BuildSources, type SolvePorts } from './solve.js';
import { decodeTrace, type Trace } from './trace.js';

/** The Dockerfile: a file, in the context or elsewhere, or its text. */
export type DockerfileSource = { readonly folder: string; readonly name: string } | { readonly text: string };

export interface BuildRequest extends BuildSettings {
  /** The folder that COPY copies from. */
  readonly context: string;
  readonly dockerfile: DockerfileSource;
  /** id -> value */
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  readonly sshAgents?: readonly SshAgent[];
}

export interface BuildPorts {
  readonly engine: Engine;
  readonly findLogin: FindLogin;
  /** What the engine's host runs: `linux/amd64`. */
  readonly hostPlatform: string;
  readonly onEvent: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

export interface BuiltImage {
  /** What the engine knows the image by: the digest of its config, or with the containerd store of what it stored. */
  readonly id: string;
  /** Content of files that the engine did not have. */
  readonly contextBytesSent: number;
  /** The Dockerfile gives the image its platform, whatever was asked for. */
  readonly pinned?: PinnedPlatform;
}

/**
 * Builds an image with BuildKit through the engine, which keeps it under `tags`. When the signal is aborted the
 * engine ends what it runs for this build.
 * @throws DeployerError `build_failed`, `context_unreadable`, `registry_unauthorized` or `registry_denied` (a base
 *   image), `engine_unavailable`
 */
export async function build(request: BuildRequest, ports: BuildPorts): Promise<BuiltImage> {
  await using dockerfile = await placeDockerfile(request.dockerfile);
  const { engine, signal, onEvent } = ports;
  let contextBytesSent = 0;
  let refused: DeployerError | undefined;
  const refusal = new AbortController();
  const logins = keepingAsked(ports.findLogin);
  const folders = { context: request.context, dockerfile: dockerfile.folder };
  await using session = await openSession(engine, {
    sharedKey: await sharedKeyOf(request.context),
    signal,
    methods: {
      ...healthMethods,
      ...authMethods(logins.find),
      ...secretMethods(request.secrets),
      ...sshMethods(request.sshAgents ?? []),
      '/moby.filesync.v1.FileSync/DiffCopy': (call) =>
        diffCopy(call, {
          folders,
          onSent: (bytes, folder) => (contextBytesSent += folder === 'context' ? bytes : 0),
          onWarning: (message) => onEvent({ type: 'warning', message: cleanLine(message, 1000) }),
          onFailure: (error) => {
            refused ??= error;
            // Without its .dockerignore an engine would go on.
            refusal.abort();
          },
        }),
    },
  });
  const progress = new BuildProgress(onEvent);
  try {
    const run = needsSolve(request) ? solve : postBuild;
    const onTrace = (trace: Trace): void => progress.update(trace);
    const sources = { dockerfile: dockerfile.name, session: session.id };
    const either = AbortSignal.any([signal, refusal.signal]);
    const id = await run(request, sources, { engine, signal: either, onTrace });
    const { pinned } = originOf(await textOf(dockerfile), request.target);
    return { id, contextBytesSent, ...(pinned && { pinned }) };
  } catch (error) {
    signal.throwIfAborted();
    const isIgnores = refused === undefined ? IGNORE_FAULT.test(messageOf(error)) : refused.code === 'usage';
    const fault = (isIgnores ? await ignoreFault(request.context, dockerfile) : undefined) ?? refused;
    if (fault !== undefined) throw fault;
    if (!(error instanceof BuildError) && !(error instanceof EngineRefusal)) throw error;
    const unpushed = unpushedIn(error.message, request, logins.asked);
    if (unpushed !== undefined) throw unpushed;
    const text = await textOf(dockerfile);
    throw buildFailed({
      message: error.message,
      step: progress.failed,
      dockerfile: { name: dockerfile.shown, text },
      leftOut: await leftOutOf(request.context, dockerfile, copiedIn(text)),
      secrets: [...request.secrets.keys()],
      sshAgents: (request.sshAgents ?? []).map(({ id }) => id),
      logins: logins.asked,
      ...askedOf(request, ports),
    });
  }
}

/** Of an image that is whole, and that its builder could not push. */
function unpushedIn(
  message: string,
  { output, tags: [tag = ''] }: Pick<BuildSettings, 'output' | 'tags'>,
  logins: AskedLogins,
): DeployerError | undefined {
  if (!pushesDirectly(output)) return undefined;
  const [, reason] = /failed to push [^ ]+: (.*)/s.exec(message) ?? [];
  if (reason === undefined) return undefined;
  const reference = parseReference(tag);
  return pushRefused(reference, logins.get(reference.domain), reason);
}

/** BuildKit's words; of a pattern in COPY too. */
const IGNORE_FAULT = /syntax error in pattern|illegal exclusion pattern/;

/** What a failure is explained by, beside the engine's words. */
export function askedOf(
  {
    target,
    targetFrom = '--build-target',
    platforms,
    buildArgs,
  }: Pick<BuildSettings, 'target' | 'targetFrom' | 'platforms' | 'buildArgs'>,
  { hostPlatform }: Pick<BuildPorts, 'hostPlatform'>,
): Pick<BuildFailure, 'target' | 'platforms' | 'buildArgs'> {
  return {
    ...(target === undefined ? {} : { target: { stage: target, from: targetFrom } }),
    platforms: { asked: platforms, host: hostPlatform },
    buildArgs,
  };
}

async function postBuild(
  settings: BuildSettings,
  { dockerfile, session }: BuildSources,
  { engine, signal, onTrace }: SolvePorts,
): Promise<string> {
  const answer = await engine.stream({
    method: 'POST',
    path: '/build',
    query: {
      ...buildQuery(settings),
      ...{ dockerfile, session, remote: 'client-session', buildid: randomBytes(8).toString('hex') },
    },
    signal,
  });
  let id: string | undefined;
  try {
    for await (const line of readJsonLines(answer)) {
      if (line['id'] === 'moby.buildkit.trace' && typeof line['aux'] === 'string') {
        onTrace(decodeTrace(Buffer.from(line['aux'], 'base64')));
      } else if (line['id'] === 'moby.image.id') {
        id = String((line['aux'] as { readonly ID?: unknown } | undefined)?.ID);
      } else if (typeof line['error'] === 'string') throw new BuildError(line['error']);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof BuildError ? error : engineLost(error, 'POST /build');
  }
  if (id === undefined) throw engineLost(new Error('the build ended without an image'), 'POST /build');
  return id;
}

interface PlacedDockerfile extends AsyncDisposable {
  readonly folder: string;
  readonly name: string;
  /** As a person knows it. */
  readonly shown: string;
}

function textOf({ folder, name }: PlacedDockerfile): Promise<string> {
  return readFile(join(folder, name), 'utf8').catch(() => '');
}

/** A Dockerfile that is no file becomes one for the time of the build: the engine asks for it by name. */
async function placeDockerfile(source: DockerfileSource): Promise<PlacedDockerfile> {
  if ('folder' in source) {
    const shown = join(source.folder, source.name);
    return { ...source, shown, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const folder = await mkdtemp(join(tmpdir(), 'deployer-dockerfile-'));
  await writeFile(join(folder, 'Dockerfile'), source.text);
  return {
    folder,
    name: 'Dockerfile',
    shown: 'Dockerfile (stdin)',
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Two contexts must not share what the engine kept of them; one must find it again. */
async function sharedKeyOf(context: string): Promise<string> {
  try {
    const path = await realpath(context);
    const hash = createHash('sha256').update(`${hostname()}\0${path}`).digest('hex');
    return `${basename(path).replace(/[^\w.-]/g, '_')}:${hash}`;
  } catch (error) {
    throw new DeployerError('usage', `the build context ${context} can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
