import type { HttpClient, HttpResponse } from '../http/client.js';
import { withRetry, type RetryPolicy } from '../http/retry.js';
import { DeployerError } from '../lib/errors.js';
import type { Digest } from '../oci/digest.js';
import { MANIFEST_LIMIT } from '../oci/manifest.js';
import { ACCEPT_ALL } from '../oci/media-types.js';
import { manifestNameOf, type Reference } from '../oci/reference.js';
import { readAnswer, type RegistryAnswer } from './answer.js';
import type { Access, Authenticator } from './authenticator.js';
import { parseChallenge } from './challenge.js';
import { RegistryOrigins } from './origins.js';

export interface RegistryClientPorts {
  readonly http: HttpClient;
  readonly authenticator: Authenticator;
  readonly retry: RetryPolicy;
  /** Registries that are spoken to over plain http, beside those on loopback: `HOST[:PORT]`. */
  readonly insecure: readonly string[];
  /** Said when a request is repeated. */
  readonly onRetry?: (why: string, pauseMs: number) => void;
}

export interface ManifestRequest {
  readonly accept?: readonly string[];
  readonly method?: 'GET' | 'HEAD';
  readonly signal?: AbortSignal;
}

/** The pull side of the distribution specification 1.1. Answers of any status are returned, not thrown. */
export class RegistryClient {
  readonly #ports: RegistryClientPorts;
  readonly #origins: RegistryOrigins;

  constructor(ports: RegistryClientPorts) {
    this.#ports = ports;
    this.#origins = new RegistryOrigins(ports.insecure);
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

  /** One page of tags, at most `count`, as the registry orders them. */
  tags(reference: Reference, count: number, signal?: AbortSignal): Promise<RegistryAnswer> {
    return this.#ask({
      reference,
      method: 'GET',
      path: `tags/list?n=${count}`,
      accept: [],
      limit: 2 ** 20,
      signal,
    });
  }

  /** A small blob (a config, an attestation), whole; the caller checks its digest. */
  blob(reference: Reference, digest: Digest, limit: number, signal?: AbortSignal): Promise<RegistryAnswer> {
    return this.#ask({ reference, method: 'GET', path: `blobs/${digest}`, accept: [], limit, signal });
  }

  async #ask(question: Question): Promise<RegistryAnswer> {
    const { authenticator } = this.#ports;
    const { reference, method, accept, signal } = question;
    const access = (registry: URL): Access => ({
      host: reference.domain,
      registry,
      path: reference.path,
      actions: ['pull'],
    });
    let authorization = await authenticator.expected(access(this.#origins.of(reference.domain)), signal);
    let response = await this.#send(question, authorization);
    const challenge =
      response.status === 401 ? parseChallenge(response.headers['www-authenticate']) : undefined;
    if (challenge !== undefined) {
      const registry = this.#origins.of(reference.domain);
      const answer = await authenticator.answer(access(registry), challenge, authorization, signal);
      if (answer !== undefined) {
        await response.discard();
        authorization = answer;
        response = await this.#send(question, answer);
      }
    }
    return readAnswer(response, { method, accept, authorized: authorization !== undefined }, question.limit);
  }

  #send(question: Question, authorization: string | undefined): Promise<HttpResponse> {
    const { http, retry, onRetry } = this.#ports;
    const { reference, method, path, accept, signal } = question;
    const exchange = (origin: URL): Promise<HttpResponse> =>
      http.send({
        method,
        url: new URL(`/v2/${reference.path}/${path}`, origin),
        headers: accept.length === 0 ? {} : { accept: accept.join(', ') },
        ...(authorization === undefined ? {} : { authorization }),
        ...(signal === undefined ? {} : { signal }),
      });
    return withRetry(retry, () => this.#origins.send(reference.domain, exchange), {
      ...(signal === undefined ? {} : { signal }),
      ...(onRetry === undefined ? {} : { onRetry }),
    });
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
