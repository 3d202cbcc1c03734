import type { HttpResponse } from '../http/client.js';
import { withDeadline } from '../lib/deadline.js';
import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Digest } from '../oci/digest.js';
import { MANIFEST_LIMIT } from '../oci/manifest.js';
import { ACCEPT_ALL } from '../oci/media-types.js';
import { manifestNameOf, type Reference } from '../oci/reference.js';
import { readAnswer, type RegistryAnswer } from './answer.js';
import { RegistryRequests, type RegistryClientPorts } from './requests.js';

export type { RegistryClientPorts } from './requests.js';

export interface ManifestRequest {
  readonly accept?: readonly string[];
  readonly method?: 'GET' | 'HEAD';
  /** As of `Access`. */
  readonly atOnce?: number;
  readonly signal?: AbortSignal;
}

/** The pull side of the distribution specification 1.1. Answers of any status are returned, not thrown. */
export class RegistryClient {
  /** For who shares its connections and tokens: the push side, downloads. */
  readonly requests: RegistryRequests;

  constructor(ports: RegistryClientPorts) {
    this.requests = new RegistryRequests(ports);
  }

  /**
   * One manifest request; 401 is answered, passing failures are repeated.
   * @throws DeployerError `manifest_too_large`, and what `HttpClient` and the token server throw
   */
  async manifest(reference: Reference, request: ManifestRequest = {}): Promise<RegistryAnswer> {
    const { accept = ACCEPT_ALL, method = 'GET', atOnce = 1, signal } = request;
    const path = `manifests/${manifestNameOf(reference)}`;
    try {
      return await this.#ask({ reference, method, path, accept, limit: MANIFEST_LIMIT, atOnce, signal });
    } catch (error) {
      if (error instanceof DeployerError && error.code === 'response_too_large')
        throw manifestTooLarge(error, reference);
      throw error;
    }
  }

  /**
   * One page of tags, at most `count`, as the registry orders them.
   * @param last the last tag of the page before
   */
  tags(reference: Reference, count: number, signal?: AbortSignal, last?: string): Promise<RegistryAnswer> {
    const after = last === undefined ? '' : `&last=${encodeURIComponent(last)}`;
    return this.#ask({
      reference,
      method: 'GET',
      path: `tags/list?n=${count}${after}`,
      accept: [],
      limit: 2 ** 20,
      signal,
    });
  }

  /** A small blob (a config, an attestation), whole; the caller checks its digest. */
  blob(reference: Reference, digest: Digest, limit: number, signal?: AbortSignal): Promise<RegistryAnswer> {
    return this.#ask({ reference, method: 'GET', path: `blobs/${digest}`, accept: [], limit, signal });
  }

  /** Whether a blob is there, and how long. */
  headBlob(reference: Reference, digest: Digest, signal?: AbortSignal): Promise<RegistryAnswer> {
    return this.#ask({ reference, method: 'HEAD', path: `blobs/${digest}`, accept: [], limit: 0, signal });
  }

  #ask(question: Question): Promise<RegistryAnswer> {
    const { reference, method, path, signal } = question;
    const { questionTimeoutMs: ms } = this.requests;
    const late = (): DeployerError => tooLate(reference.domain, `${method} ${path}`, ms);
    return withDeadline({ ms, late, signal }, (end) => this.#askUntil(end, question));
  }

  async #askUntil(
    end: AbortSignal,
    { reference, method, path, accept, limit, atOnce = 1 }: Question,
  ): Promise<RegistryAnswer> {
    const access = { domain: reference.domain, path: reference.path, actions: ['pull'] as const, atOnce };
    // The bytes are what digests cover: no coding on the way.
    const headers = {
      'accept-encoding': 'identity',
      ...(accept.length === 0 ? {} : { accept: accept.join(', ') }),
    };
    const request = { method, target: path, headers, signal: end };
    for (let attempt = 1; ; attempt += 1) {
      const { response, ...sent } = await this.requests.send(access, request);
      checkCoding(response);
      try {
        return await readAnswer(response, { method, accept, ...sent }, limit);
      } catch (error) {
        await this.requests.pauseAfterBreak(error, attempt, end);
      }
    }
  }
}

interface Question {
  readonly reference: Reference;
  readonly method: string;
  /** Below `/v2/NAME/`. */
  readonly path: string;
  readonly accept: readonly string[];
  readonly limit: number;
  readonly atOnce?: number;
  readonly signal: AbortSignal | undefined;
}

/** Decoding what was not asked for would be work for a stranger's bomb; hashed as it came it fits no digest. */
function checkCoding({ status, headers, url }: HttpResponse): void {
  const coding = headers['content-encoding'] ?? 'identity';
  if (status >= 400 || coding === 'identity' || coding === '') return;
  throw new DeployerError('not_a_registry', `${url.host} answered in a coding that was not asked for`, {
    evidence: [`Accept-Encoding: identity, answered with Content-Encoding: ${cleanLine(coding, 40)}`],
    suggestions: [`a proxy may stand in between and compress what it passes: try NO_PROXY=${url.hostname}`],
  });
}

function tooLate(domain: string, asked: string, ms: number): DeployerError {
  return new DeployerError('connection_timed_out', `${domain} did not answer in time`, {
    evidence: [`waited ${ms / 1000} s in all for ${asked}`],
    suggestions: ["try again in a moment; the registry's status page may tell more"],
  });
}

function manifestTooLarge(error: DeployerError, { domain, tag, digest }: Reference): DeployerError {
  return new DeployerError(
    'manifest_too_large',
    `what ${domain} sends for ${digest ?? tag ?? 'latest'} is larger than 4 MiB, the most a manifest may be`,
    {
      cause: error,
      evidence: error.evidence,
      suggestions: [
        'check the reference: this is no image manifest, or one that no registry or engine would take',
      ],
    },
  );
}
