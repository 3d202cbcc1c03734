import type { Descriptor } from '../../oci/descriptor.js';
import { isDigest, type Digest } from '../../oci/digest.js';
import { formatReference, type Reference } from '../../oci/reference.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { RegistryClient } from '../../registry/client.js';
import { listReferrers } from '../../registry/referrers.js';
import type { ImageSearch, SearchOptions } from '../search.js';
import type { StoredManifest } from '../stored-manifest.js';
import { RepositoryContent } from './repository-content.js';
import type { ImageSource } from './source.js';

export interface RegistrySourcePorts {
  readonly registry: RegistryClient;
  readonly search: ImageSearch;
  readonly searching?: Pick<SearchOptions, 'atOnce' | 'onWait'>;
  readonly signal: AbortSignal;
}

export class RegistrySource implements ImageSource {
  readonly name: string;
  readonly #content: RepositoryContent;
  readonly #reference: Reference;
  readonly #ports: RegistrySourcePorts;

  constructor(reference: Reference, ports: RegistrySourcePorts) {
    this.name = formatReference(reference);
    this.#content = new RepositoryContent(reference, ports.registry, ports.signal);
    this.#reference = reference;
    this.#ports = ports;
  }

  get repository(): RepositoryContent['repository'] {
    return this.#content.repository;
  }

  /** HEAD: Docker Hub counts a GET as a pull. */
  async rootDigest(): Promise<Digest | undefined> {
    if (this.#reference.digest !== undefined) return this.#reference.digest;
    const { registry, signal } = this.#ports;
    const { status, headers } = await registry.manifest(this.#reference, { method: 'HEAD', signal });
    const digest = headers['docker-content-digest'];
    return status === 200 && isDigest(digest) ? digest : undefined;
  }

  async root(): Promise<StoredManifest> {
    const { search, searching, signal } = this.#ports;
    return (await search.find(this.#reference, { ...searching, signal })).stored;
  }

  manifest(entry: Descriptor): Promise<StoredManifest> {
    return this.#content.manifest(entry);
  }

  blob(blob: Descriptor): BlobContent {
    return this.#content.blob(blob);
  }

  referrers(digest: Digest): Promise<readonly Descriptor[]> {
    const { registry, signal } = this.#ports;
    return listReferrers(registry.requests, this.repository, digest, signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
