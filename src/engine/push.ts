import { DeployerError, type ErrorCode } from '../lib/errors.js';
import { describeLogin, loginMends, loginOf, writeAccess, type Login } from '../lib/login.js';
import { cleanLine } from '../lib/text.js';
import { isDigest, type Digest } from '../oci/digest.js';
import { formatReference, repositoryOf, type Reference } from '../oci/reference.js';
import { PushLayers, type PushedLayer } from './push-layers.js';
import { EngineRefusal, engineLost, type Engine } from './engine.js';
import { readJsonLines } from './json-stream.js';
import { authConfigOf, encodeLogins, plainHttpTo, type RegistryLogin } from './login.js';

export interface PushPorts {
  readonly engine: Engine;
  /** undefined: anonymously */
  readonly login: RegistryLogin | undefined;
  /** Told how many bytes of how many are there, of the layers that are sent, and the layer that changed. */
  readonly onProgress: (current: number, total: number, layer: PushedLayer) => void;
  readonly signal: AbortSignal;
}

/**
 * Gives an image of the engine's this name, and pushes what has the name.
 * @param id what the engine knows the image by
 * @returns the digest that the engine says lies in the registry now; whether that is the image remains to be seen
 * @throws DeployerError `push_failed`, `registry_unauthorized`, `registry_denied`, `engine_unavailable`
 */
export async function pushImage(
  id: string,
  reference: Reference & { readonly tag: string },
  ports: PushPorts,
): Promise<Digest> {
  const { engine, login, signal, onProgress } = ports;
  const name = repositoryOf(reference);
  await nameImage(id, reference, ports);
  const layers = new PushLayers();
  let digest: Digest | undefined;
  try {
    const answer = await engine.stream({
      method: 'POST',
      path: `/images/${name}/push`,
      query: { tag: reference.tag, ...plainHttpTo([reference.domain]) },
      // Without the header older engines refuse the request.
      headers: { 'X-Registry-Auth': encodeLogins(authConfigOf(login, reference.domain)) },
      signal,
    });
    for await (const line of readJsonLines(answer)) {
      if (typeof line['error'] === 'string') throw pushRefused(reference, login, line['error']);
      digest = digestIn(line, reference.tag) ?? digest;
      const layer = layers.read(line);
      if (layer !== undefined) onProgress(layers.sum.current, layers.sum.total, layer);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EngineRefusal) throw pushRefused(reference, login, error.message);
    throw error instanceof DeployerError ? error : engineLost(error, `POST /images/${name}/push`);
  }
  if (digest !== undefined) return digest;
  throw pushRefused(reference, login, 'the engine told no digest of what it pushed');
}

/**
 * An engine pushes by name alone. Another build on it may have taken the name since: it is taken back. What takes it
 * between this and the push is not kept from it. The containerd store of Docker 28 lets go of an image whose name a
 * build takes; the others keep it.
 */
async function nameImage(
  id: string,
  reference: Reference & { readonly tag: string },
  { engine, signal }: PushPorts,
): Promise<void> {
  const query = { repo: repositoryOf(reference), tag: reference.tag };
  try {
    await engine.bytes({ method: 'POST', path: `/images/${id}/tag`, query, signal });
  } catch (error) {
    if (!(error instanceof EngineRefusal)) throw error;
    const reason = cleanLine(error.message, 500);
    throw new DeployerError('push_failed', `${formatReference(reference)} could not be pushed: ${reason}`, {
      evidence: [`the engine, of the image that was built: ${reason}`],
      suggestions: [
        'build again: if the image is gone, another build on the engine may have taken its name',
        OWN_NAME,
      ],
    });
  }
}

/** Mends what builds on one engine that use the same name do to each other. */
export const OWN_NAME = 'or give each build a name of its own, such as a tag for each commit';

/** A graphdriver store tells it as data, the containerd store as a line for people. */
function digestIn(line: Readonly<Record<string, unknown>>, tag: string): Digest | undefined {
  const { aux, status } = line as {
    readonly aux?: { readonly Digest?: unknown } | null;
    readonly status?: unknown;
  };
  if (isDigest(aux?.Digest)) return aux.Digest;
  if (typeof status !== 'string' || !status.startsWith(`${tag}: digest: `)) return undefined;
  const [told] = status.slice(`${tag}: digest: `.length).split(' ');
  return isDigest(told) ? told : undefined;
}

/** The engine passes on what the registry said; its text is all there is to tell by. */
export function pushRefused(
  reference: Reference,
  login: RegistryLogin | undefined,
  text: string,
): DeployerError {
  const reason = cleanLine(text, 500);
  const code = codeOf(reason);
  const asked = login && loginOf(login);
  const asWhom = asked === undefined || code === 'push_failed' ? [] : [describeLogin(asked)];
  return new DeployerError(code, `${repositoryOf(reference)} could not be pushed: ${reason}`, {
    evidence: [`the engine, of its push to ${reference.domain}: ${reason}`, ...asWhom],
    suggestions: mendsOf(code, reference, asked),
  });
}

function mendsOf(code: ErrorCode, { domain, path }: Reference, asked: Login | undefined): string[] {
  if (code === 'push_failed')
    return ['check the host in its name, and that the engine (not only this machine) can reach it'];
  // Who is nobody is told that something is denied to them, too.
  return code === 'registry_denied' && asked !== undefined
    ? [writeAccess(path, domain, asked)]
    : loginMends(asked, domain);
}

/*
 * Docker 28 leaves the error code of a registry out, and gives its message alone, if that is its own: these are of
 * Docker Hub, GHCR, ECR and Quay.
 */
const UNAUTHORIZED =
  /no basic auth credentials|authentication required|unauthorized|unauthenticated|re-?authenticate|(?:incorrect|invalid) username|\b401\b/i;
const DENIED = /denied|forbidden|\b403\b|insufficient_scope|not authorized/i;

function codeOf(reason: string): ErrorCode {
  if (UNAUTHORIZED.test(reason)) return 'registry_unauthorized';
  return DENIED.test(reason) ? 'registry_denied' : 'push_failed';
}
