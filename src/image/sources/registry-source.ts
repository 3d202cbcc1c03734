import type { Descriptor } from '../../oci/descriptor.js';
import { isDigest, type Digest } from '../../oci/digest.js';
import { formatReference, type Reference } from '../../oci/reference.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { RegistryClient } from '../../registry/client.js';
import { downloadBlob } from '../../registry/download.js';
import { listReferrers } from '../../registry/referrers.js';
import type { ImageSearch } from '../search.js';
import { verifyManifest, type StoredManifest } from '../stored-manifest.js';
import type { ImageSource } from './source.js';

export interface RegistrySourcePorts {
  readonly registry: RegistryClient;
  readonly search: ImageSearch;
  readonly signal: AbortSignal;
}

export class RegistrySource implements ImageSource {
  readonly name: string;
  readonly repository: Pick<Reference, 'domain' | 'path'>;
  readonly #reference: Reference;
  readonly #ports: RegistrySourcePorts;

  constructor(reference: Reference, ports: RegistrySourcePorts) {
    this.name = formatReference(reference);
    const { domain, path } = reference;
    this.repository = { domain, path };
    this.#reference = reference;
    this.#ports = ports;
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
    const { search, signal } = this.#ports;
    return (await search.find(this.#reference, { signal })).stored;
  }

  async manifest({ digest }: Descriptor): Promise<StoredManifest> {
    const { registry, signal } = this.#ports;
    const reference = { ...this.repository, digest };
    return verifyManifest(await registry.manifest(reference, { signal }), reference);
  }

  blob(blob: Descriptor): BlobContent {
    const { registry, signal } = this.#ports;
    const access = { ...this.repository, actions: ['pull'] } as const;
    return {
      open: (start, hashing) => downloadBlob(registry.requests, access, blob, { start, hashing, signal }),
    };
  }

  referrers(digest: Digest): Promise<readonly Descriptor[]> {
    const { registry, signal } = this.#ports;
    return listReferrers(registry.requests, this.repository, digest, signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
