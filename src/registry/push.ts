import { DeployerError, type ErrorCode } from '../lib/errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { isDigest, type Digest } from '../oci/digest.js';
import { ACCEPT_ALL } from '../oci/media-types.js';
import { ERROR_BODY_LIMIT, readAnswer } from './answer.js';
import type { BlobContent } from './blob-content.js';
import { pushRefusalOf } from './push-refusal.js';
import type { RegistryRequest, RegistryRequests, RegistryResponse, RepositoryAccess } from './requests.js';
import { Upload } from './upload.js';
import { UploadSession, type UploadPlace } from './upload-session.js';

export interface PushOptions {
  /** Another repository of the same registry, from which blobs are mounted. */
  readonly mountFrom?: string;
  readonly signal?: AbortSignal;
  readonly commitTimeoutMs?: number;
}

/** How a blob came into the repository. */
export type BlobArrival = 'skipped' | 'mounted' | 'sent';

/** A manifest as it is sent: exact bytes and their digest. */
export interface PushedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

const REFUSALS: ReadonlySet<ErrorCode> = new Set(['registry_unauthorized', 'registry_denied', 'push_failed']);

/** The push side of the distribution specification 1.1, for one repository. */
export class RepositoryPush {
  readonly #requests: RegistryRequests;
  readonly #options: PushOptions;
  #access: RepositoryAccess;

  /** @param repository `{domain, path}` */
  constructor(
    requests: RegistryRequests,
    { domain, path }: Pick<RepositoryAccess, 'domain' | 'path'>,
    options: PushOptions = {},
  ) {
    this.#requests = requests;
    this.#options = options;
    const { mountFrom } = options;
    this.#access = {
      ...{ domain, path, actions: ['pull', 'push'] },
      ...(mountFrom === undefined ? {} : { mountFrom: [mountFrom] }),
    };
  }

  /**
   * The digest of what lies under a tag or digest; undefined when nothing does, or when the registry does not tell:
   * then it is pushed, and a refusal has its reason in a body.
   */
  async digestOf(name: string): Promise<Digest | undefined> {
    const { response } = await this.#send({
      method: 'HEAD',
      target: `manifests/${name}`,
      headers: { accept: ACCEPT_ALL.join(', ') },
    });
    await response.discard();
    const digest = response.headers['docker-content-digest'];
    return response.status === 200 && isDigest(digest) ? digest : undefined;
  }

  async hasBlob(digest: Digest): Promise<boolean> {
    const { response } = await this.#send({ method: 'HEAD', target: `blobs/${digest}` });
    await response.discard();
    return response.status === 200;
  }

  /**
   * Looks whether the blob is there, else mounts it, else uploads it.
   * @param onPosition told how many of its bytes are on their way or there
   * @throws DeployerError `push_failed`, `registry_unauthorized`, `registry_denied`; what the content throws
   */
  async blob(
    blob: Descriptor,
    content: BlobContent,
    onPosition: (position: number) => void = () => undefined,
  ): Promise<BlobArrival> {
    if (await this.hasBlob(blob.digest)) return 'skipped';
    const session = new UploadSession(this.#requests, this.#access, blob.digest, this.#options);
    const place = await this.#mount(session);
    if (place === 'mounted') return 'mounted';
    const { signal } = this.#options;
    const upload = new Upload(
      blob,
      content,
      {
        ...{ session, requests: this.#requests, onPosition },
        isThere: () => this.hasBlob(blob.digest),
        ...(signal === undefined ? {} : { signal }),
      },
      place,
    );
    await upload.run();
    return 'sent';
  }

  /**
   * Puts a manifest or index, under a tag or by its digest.
   * @returns whether the registry keeps its referrer list by itself (`OCI-Subject`, distribution-spec 1.1)
   * @throws DeployerError `push_failed`, `registry_unauthorized`, `registry_denied`
   */
  async manifest(
    name: string,
    { digest, mediaType, bytes }: PushedManifest,
  ): Promise<{ readonly listed: boolean }> {
    const { response, ...sent } = await this.#send({
      method: 'PUT',
      target: `manifests/${name}`,
      headers: { 'content-type': mediaType },
      body: bytes,
    });
    const { headers, status } = response;
    if (status < 200 || status >= 300) {
      const asked = { method: 'PUT', accept: [], ...sent };
      const answer = await readAnswer(response, asked, ERROR_BODY_LIMIT);
      throw pushRefusalOf(answer, this.#access, `the manifest ${name}`);
    }
    await response.discard();
    const stored = headers['docker-content-digest'];
    if (stored !== undefined && stored !== digest) throw this.#changed(name, digest, stored);
    return { listed: headers['oci-subject'] !== undefined };
  }

  /** An upload's place when the mount was refused in the mildest way, by beginning an upload. */
  async #mount(session: UploadSession): Promise<UploadPlace | 'mounted' | undefined> {
    // Not either when no token is given for it: the registry would ask for that again with each mount.
    const [mountFrom] = this.#access.mountFrom ?? [];
    if (mountFrom === undefined) return undefined;
    try {
      const answer = await session.start(mountFrom);
      if (answer === 'stored') return 'mounted';
      return 'setback' in answer ? undefined : answer;
    } catch (error) {
      // Whatever it has against the mount: the upload that follows shows whether it holds against a push too.
      if (error instanceof DeployerError && REFUSALS.has(error.code)) return undefined;
      throw error;
    }
  }

  async #send(request: RegistryRequest): Promise<RegistryResponse> {
    const { signal } = this.#options;
    const given = { ...request, ...(signal === undefined ? {} : { signal }) };
    const { mountFrom, ...access } = this.#access;
    try {
      return await this.#requests.send(this.#access, given);
    } catch (error) {
      // A token server may refuse all because of the repository to mount from: without it, then.
      if (mountFrom === undefined || !(error instanceof DeployerError) || !REFUSALS.has(error.code))
        throw error;
      this.#access = access;
      return this.#requests.send(access, given);
    }
  }

  #changed(name: string, digest: Digest, stored: string): DeployerError {
    const { domain } = this.#access;
    return new DeployerError(
      'push_failed',
      `the registry ${domain} stored another manifest than it was sent for ${name}`,
      {
        evidence: [`sent: ${digest}`, `stored: ${stored.slice(0, 140)}`],
        suggestions: ['do not use what is there: something between here and the registry changes content'],
      },
    );
  }
}
