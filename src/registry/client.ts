import { DeployerError } from '../lib/errors.js';
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
    const { accept = ACCEPT_ALL, method = 'GET', signal } = request;
    const path = `manifests/${manifestNameOf(reference)}`;
    try {
      return await this.#ask({ reference, method, path, accept, limit: MANIFEST_LIMIT, signal });
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

  /** Whether a blob is there, and how long; a registry that does not tell the length is believed. */
  async headBlob(
    { domain, path }: Reference,
    digest: Digest,
    signal?: AbortSignal,
  ): Promise<{ readonly status: number; readonly length?: number }> {
    const { response } = await this.requests.send(
      { domain, path, actions: ['pull'] },
      { method: 'HEAD', target: `blobs/${digest}`, ...(signal === undefined ? {} : { signal }) },
    );
    await response.discard();
    const { 'content-length': length } = response.headers;
    return { status: response.status, ...(length === undefined ? {} : { length: Number(length) }) };
  }

  async #ask({ reference, method, path, accept, limit, signal }: Question): Promise<RegistryAnswer> {
    const { response, authorized } = await this.requests.send(
      { domain: reference.domain, path: reference.path, actions: ['pull'] },
      {
        method,
        target: path,
        headers: accept.length === 0 ? {} : { accept: accept.join(', ') },
        ...(signal === undefined ? {} : { signal }),
      },
    );
    return readAnswer(response, { method, accept, authorized }, limit);
  }
}

interface Question {
  readonly reference: Reference;
  readonly method: string;
  /** Below `/v2/NAME/`. */
  readonly path: string;
  readonly accept: readonly string[];
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
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
