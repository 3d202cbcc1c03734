import type { HttpResponse, StreamBody } from '../http/client.js';
import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Digest } from '../oci/digest.js';
import { ERROR_BODY_LIMIT, readAnswer } from './answer.js';
import { pushRefusalOf } from './push-refusal.js';
import type { RegistryRequest, RegistryRequests, RegistryResponse, RepositoryAccess } from './requests.js';

/** Where an upload goes on, as the registry last said. */
export interface UploadPlace {
  readonly url: URL;
  /** The bytes that it has, where it told. */
  readonly received?: number;
  /** bytes; every chunk but the last must be at least so large (`OCI-Chunk-Min-Length`) */
  readonly leastChunk: number;
}

/** What stopped an upload and may pass; `status` 0 when no answer came. */
export interface Setback {
  readonly status: number;
  readonly error: DeployerError;
  readonly retryAfter?: string;
}

export type UploadAnswer = UploadPlace | 'stored' | { readonly setback: Setback };

export interface UploadSessionOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds that a registry may take to store what it has received; 5 min. */
  readonly commitTimeoutMs?: number;
}

/** Nobody redirects an upload further than this. */
const MOST_REDIRECTS = 3;
/** The upload is not known (any more), or stands elsewhere than was thought: asking again or beginning anew helps. */
const UPLOAD_LOST: ReadonlySet<string> = new Set([
  'BLOB_UPLOAD_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'RANGE_INVALID',
]);

/**
 * The requests of one blob's upload (distribution-spec 1.1, "Pushing blobs"), none of them repeated here. A Location
 * may lie on another host: that gets the bytes and never a credential.
 * @throws DeployerError what `pushRefusalOf` finds in an answer that will not change
 */
export class UploadSession {
  readonly #requests: RegistryRequests;
  readonly #access: RepositoryAccess;
  readonly #digest: Digest;
  readonly #options: UploadSessionOptions;

  constructor(
    requests: RegistryRequests,
    access: RepositoryAccess,
    digest: Digest,
    options: UploadSessionOptions,
  ) {
    this.#requests = requests;
    this.#access = access;
    this.#digest = digest;
    this.#options = options;
  }

  /** Begins an upload; with `mountFrom` asks for the blob of that repository first, and begins one when refused. */
  start(mountFrom?: string): Promise<UploadAnswer> {
    const mount =
      mountFrom === undefined ? '' : `?mount=${this.#digest}&from=${encodeURIComponent(mountFrom)}`;
    return this.#send({
      method: 'POST',
      target: `blobs/uploads/${mount}`,
      headers: { 'content-length': '0' },
    });
  }

  /** Ends the upload, with all of the blob as `body` or, after chunks, none. */
  put(place: UploadPlace, body: StreamBody | undefined): Promise<UploadAnswer> {
    const target = new URL(place.url);
    // Not through searchParams, which would write a signed query anew.
    target.search += `${target.search === '' ? '?' : '&'}digest=${encodeURIComponent(this.#digest)}`;
    return this.#send({ method: 'PUT', target, ...octets(body) });
  }

  /** @param start the first byte's place in the blob */
  patch({ url }: UploadPlace, start: number, body: StreamBody): Promise<UploadAnswer> {
    const { headers } = octets(body);
    return this.#send({
      method: 'PATCH',
      target: url,
      headers: { ...headers, 'content-range': `${start}-${start + body.length - 1}` },
      body,
    });
  }

  /** Asks what the registry has of the upload. */
  status({ url }: UploadPlace): Promise<UploadAnswer> {
    return this.#send({ method: 'GET', target: url });
  }

  async #send(request: RegistryRequest): Promise<UploadAnswer> {
    const { signal, commitTimeoutMs: headersTimeoutMs = 300_000 } = this.#options;
    const given = { headersTimeoutMs, ...request, retry: false, ...(signal === undefined ? {} : { signal }) };
    try {
      let sent = await this.#requests.send(this.#access, given);
      for (let hops = 0; isRedirect(sent.response) && hops < MOST_REDIRECTS; hops += 1) {
        const target = placeOf(sent.response.headers['location'] ?? '', sent.response.url);
        await sent.response.discard();
        sent = await this.#requests.send(this.#access, { ...given, target });
      }
      return await this.#read(request, sent);
    } catch (error) {
      if (error instanceof DeployerError && this.#requests.retry.codes.has(error.code))
        return { setback: { status: 0, error } };
      throw error;
    }
  }

  async #read(request: RegistryRequest, { response, ...sent }: RegistryResponse): Promise<UploadAnswer> {
    const { status, headers } = response;
    if (status === 202 || status === 204) {
      await response.discard();
      return readPlace(response, request.target);
    }
    if (status === 201) {
      await response.discard();
      return 'stored';
    }
    const answer = await readAnswer(
      response,
      { method: request.method, accept: [], ...sent },
      ERROR_BODY_LIMIT,
    );
    const error = pushRefusalOf(answer, this.#access, `the blob ${this.#digest}`);
    const isLost = status === 404 && request.method !== 'POST';
    const passes =
      this.#requests.retry.statuses.has(status) ||
      isLost ||
      status === 413 ||
      status === 416 ||
      answer.errors.some(({ code }) => UPLOAD_LOST.has(code));
    if (!passes) throw error;
    const retryAfter = headers['retry-after'];
    return { setback: { status, error, ...(retryAfter === undefined ? {} : { retryAfter }) } };
  }
}

function octets(body: StreamBody | undefined): Pick<RegistryRequest, 'headers' | 'body'> {
  return body === undefined
    ? { headers: { 'content-length': '0' } }
    : { headers: { 'content-type': 'application/octet-stream' }, body };
}

/** The registry names the place anew with each answer; one that leaves it out means the same again. */
function readPlace({ headers, url }: HttpResponse, asked: string | URL): UploadPlace {
  const location = headers['location'];
  if (location === undefined && !(asked instanceof URL))
    throw new DeployerError('push_failed', `${url.host} began an upload without saying where (no Location)`);
  const least = Number(headers['oci-chunk-min-length'] ?? 0);
  const received = receivedOf(headers['range']);
  return {
    url: location === undefined ? (asked as URL) : placeOf(location, url),
    ...(received === undefined ? {} : { received }),
    leastChunk: Number.isSafeInteger(least) && least > 0 ? least : 0,
  };
}

/**
 * `Range: 0-LAST`, here and there with `bytes=` before it.
 * @returns the number of bytes; docker's registry says `0-0` of none, so one byte counts as none and is sent again
 */
function receivedOf(range: string | undefined): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(range ?? '')?.[1];
  if (last === undefined) return undefined;
  return last === '0' ? 0 : Number(last) + 1;
}

function isRedirect({ status, headers }: HttpResponse): boolean {
  return (status === 307 || status === 308) && headers['location'] !== undefined;
}

/**
 * Where an answer sends the upload.
 * @throws DeployerError `redirect_refused` for what is no http URL, or would leave https
 */
function placeOf(location: string, base: URL): URL {
  const refuse = (why: string): DeployerError =>
    new DeployerError(
      'redirect_refused',
      `${base.host} sends an upload to a place that is not followed: ${why}`,
      {
        evidence: [`Location: ${cleanLine(location.split('?')[0] as string, 120)}`],
        suggestions: [
          'a proxy before the registry may not tell it that it is reached over https (X-Forwarded-Proto)',
        ],
      },
    );
  if (!URL.canParse(location, base.href)) throw refuse('it is no URL');
  const url = new URL(location, base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('it is neither http nor https');
  if (base.protocol === 'https:' && url.protocol === 'http:') throw refuse('it would leave https');
  // Credentials in a URL would be sent by whoever follows it; none of ours are meant.
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}
