import { randomBytes } from 'node:crypto';
import { engineLost, type Engine } from '../engine.js';
import { GrpcClient } from '../session/grpc-client.js';
import { GRPC_CODE, GrpcStatus } from '../session/grpc-messages.js';
import { BuildError } from './failure.js';
import type { BuildSettings } from './query.js';
import { decodeSolved, encodeSolve, encodeStatusRequest } from './solve-messages.js';
import { decodeTrace, type Trace } from './trace.js';

const CONTROL = '/moby.buildkit.v1.Control';
/** How long the rest of the progress may take once the build has ended. */
const LAST_PROGRESS_MS = 3000;

/** What a build reads through its session. */
export interface BuildSources {
  readonly session: string;
  /** Its name in the folder that the session serves as `dockerfile`. */
  readonly dockerfile: string;
}

export interface SolvePorts {
  readonly engine: Engine;
  readonly onTrace: (trace: Trace) => void;
  readonly signal: AbortSignal;
}

/** Whether it takes BuildKit's own API: `POST /build` knows one platform, and no cache but the engine's own. */
export function needsSolve({ platforms, cacheFrom, cacheTo }: BuildSettings): boolean {
  return platforms.length > 1 || cacheFrom.length > 0 || cacheTo.length > 0;
}

/**
 * Builds through BuildKit's Control API (POST /grpc). The build ends with the call.
 * @returns the id of the image
 * @throws BuildError when there is no image; DeployerError `engine_unavailable`; what aborted the signal
 */
export async function solve(
  settings: BuildSettings,
  { dockerfile, session }: BuildSources,
  { engine, onTrace, signal }: SolvePorts,
): Promise<string> {
  const socket = await engine.hijack({ path: '/grpc', headers: { Upgrade: 'h2c' }, signal });
  using client = await GrpcClient.on(socket);
  const ref = randomBytes(16).toString('hex');
  const progressEnd = new AbortController();
  const following = follow(client, ref, onTrace, AbortSignal.any([signal, progressEnd.signal]));
  try {
    const request = encodeSolve({ ref, session, dockerfile }, settings);
    const told = decodeSolved(await client.callOnce(`${CONTROL}/Solve`, request, signal));
    const id = told.get('containerimage.digest');
    if (id === undefined) throw new BuildError('the build ended without an image');
    return id;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BuildError) throw error;
    if (error instanceof GrpcStatus && error.code !== GRPC_CODE.unavailable) {
      throw new BuildError(error.message);
    }
    throw engineLost(error, 'POST /grpc, Solve');
  } finally {
    const timer = setTimeout(() => progressEnd.abort(), LAST_PROGRESS_MS);
    await following;
    clearTimeout(timer);
  }
}

/** Progress that breaks off is no failure: of the build's end the call itself tells. */
async function follow(
  client: GrpcClient,
  ref: string,
  onTrace: (trace: Trace) => void,
  signal: AbortSignal,
): Promise<void> {
  const messages = client.call(`${CONTROL}/Status`, encodeStatusRequest(ref), signal);
  try {
    for await (const message of messages) onTrace(decodeTrace(message));
  } catch {
    return;
  }
}
