import type { Clock } from '../../lib/clock.js';
import { DeployerError, type ErrorCode } from '../../lib/errors.js';
import { mapInParallel } from '../../lib/in-parallel.js';
import { cleanLine } from '../../lib/text.js';
import { digestOf, isDigest, type Digest } from '../../oci/digest.js';
import { isSchema1Type, mediaTypeName } from '../../oci/media-types.js';
import type { Reference } from '../../oci/reference.js';
import type { RegistryAnswer } from '../../registry/answer.js';
import type { RegistryClient } from '../../registry/client.js';
import { verifyManifest } from '../stored-manifest.js';
import { clientClasses, FULL, type ClientClass } from './client-classes.js';

export interface ClientFinding {
  readonly name: string;
  readonly who: string;
  readonly method: 'GET' | 'HEAD';
  readonly accept: readonly string[];
  /** 0 when no answer came. */
  readonly status: number;
  /** There was no way to the registry: the reason is that of the full client. */
  readonly notAsked?: true;
  readonly code?: string;
  readonly message?: string;
  /** It was given a manifest or an index, and in a form that it asked for. */
  readonly found: boolean;
  /** Of what it was given. */
  readonly mediaType?: string;
  readonly digest?: Digest;
}

export interface ClientPorts {
  readonly registry: RegistryClient;
  readonly anonymous: RegistryClient;
  /** Whether anyone is logged in to this registry. */
  readonly authenticated: boolean;
  readonly clock: Clock;
}

export interface Asked {
  readonly clients: readonly ClientFinding[];
  /** What the full client was answered, or what kept an answer from it. */
  readonly full: Outcome;
  /** When that came, in milliseconds since the epoch. */
  readonly at: number;
  /** Every answer that came. */
  readonly answers: readonly RegistryAnswer[];
}

/** Questions under way at the same time. */
const AT_ONCE = 4;

type Outcome = RegistryAnswer | DeployerError;

/**
 * Asks as each class of client asks; those whose questions are the same share one. The full client's comes first: it
 * brings the token for all, and where it gets no answer the others would, each with four tries, get none either.
 */
export async function askAsClients(
  reference: Reference,
  ports: ClientPorts,
  signal?: AbortSignal,
): Promise<Asked> {
  const classes = clientClasses(ports.authenticated);
  const keyOf = (client: ClientClass): string => questionKey(client, ports.authenticated);
  const ask = (client: ClientClass): Promise<Outcome> => askOnce(client, reference, ports, signal);
  const full = await ask(FULL);
  const at = ports.clock.now();
  const outcomes = new Map([[keyOf(FULL), full]]);
  if (!isHopeless(full)) {
    const questions = new Map(classes.map((client) => [keyOf(client), client]));
    questions.delete(keyOf(FULL));
    await mapInParallel([...questions], AT_ONCE, async ([key, client]) => {
      outcomes.set(key, await ask(client));
    });
  }
  return {
    clients: classes.map((client) => {
      const outcome = outcomes.get(keyOf(client));
      return outcome === undefined ? notAsked(client, full) : findingOf(client, outcome, reference);
    }),
    ...{ full, at },
    answers: [...outcomes.values()].filter((outcome) => 'status' in outcome),
  };
}

/** RFC 9110, 12.5.1: the order of an Accept header says nothing. Without credentials everyone is anonymous. */
function questionKey({ method, accept, identity }: ClientClass, authenticated: boolean): string {
  return [authenticated ? identity : 'anonymous', method, ...[...accept].sort()].join(' ');
}

async function askOnce(
  { method, accept, identity }: ClientClass,
  reference: Reference,
  ports: ClientPorts,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const registry = identity === 'anonymous' ? ports.anonymous : ports.registry;
  try {
    return await registry.manifest(reference, { accept, method, ...(signal ? { signal } : {}) });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DeployerError) return error;
    throw error;
  }
}

/** No way to the registry, or one that asks for silence: other headers change nothing about that. */
function isHopeless(outcome: Outcome): boolean {
  if (outcome instanceof DeployerError) return NO_WAY.has(outcome.code);
  return outcome.status === 429;
}

const NO_WAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'dns_failed',
  'tls_failed',
  'connection_refused',
  'connection_timed_out',
  'proxy_failed',
  'registry_rate_limited',
]);

function notAsked({ name, who, method, accept }: ClientClass, full: Outcome): ClientFinding {
  const { code, message } =
    full instanceof DeployerError
      ? full
      : { code: 'registry_rate_limited', message: 'the registry limits how often it is asked' };
  return { name, who, method, accept, status: 0, notAsked: true, code, message, found: false };
}

function findingOf(
  { name, who, method, accept }: ClientClass,
  outcome: Outcome,
  reference: Reference,
): ClientFinding {
  const asked = { name, who, method, accept };
  if (outcome instanceof DeployerError) {
    return { ...asked, status: 0, code: outcome.code, message: outcome.message, found: false };
  }
  const { status, errors, html, mediaType } = outcome;
  const told = { ...asked, status };
  if (html) return { ...told, code: 'HTML', message: 'a web page, no registry', found: false };
  if (status !== 200) return { ...told, ...errors[0], found: false };
  const given = { mediaType: cleanLine(mediaType, 100), ...digestIn(outcome) };
  if (!isAskedFor(mediaType, accept)) {
    const message = `is given what it did not ask for: ${mediaTypeName(given.mediaType)}`;
    return { ...told, ...given, code: 'FORM_NOT_ASKED_FOR', message, found: false };
  }
  const fault = faultOf(outcome, reference);
  return { ...told, ...given, ...fault, found: fault === undefined };
}

/** Why what is given can't be used. */
function faultOf(
  answer: RegistryAnswer,
  reference: Reference,
): { readonly code: string; readonly message: string } | undefined {
  // An answer to HEAD has no bytes; a client of schema 1 checks it in its own way.
  if (answer.method === 'HEAD' || isSchema1Type(answer.mediaType)) return undefined;
  try {
    verifyManifest(answer, reference);
    return undefined;
  } catch (error) {
    if (!(error instanceof DeployerError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** A media type that says nothing is read as what was hoped for. */
function isAskedFor(mediaType: string, accept: readonly string[]): boolean {
  return accept.includes(mediaType) || accept.includes('*/*') || isGenericType(mediaType);
}

function isGenericType(mediaType: string): boolean {
  return ['', 'application/json', 'application/octet-stream'].includes(mediaType);
}

/** As the registry names it; of bytes without a name, their own. */
function digestIn({ method, headers, bytes }: RegistryAnswer): { readonly digest?: Digest } {
  const named = headers['docker-content-digest'];
  if (isDigest(named)) return { digest: named };
  return method === 'GET' ? { digest: digestOf(bytes) } : {};
}
