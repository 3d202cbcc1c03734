import type { Descriptor } from '../../oci/descriptor.js';
import { repositoryOf } from '../../oci/reference.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { RegistryClient } from '../../registry/client.js';
import { downloadBlob } from '../../registry/download.js';
import { asDescribed, verifyManifest, type StoredManifest } from '../stored-manifest.js';
import type { ImageContent } from './source.js';

/** What a repository of a registry holds, by digest. */
export class RepositoryContent implements ImageContent {
  readonly repository: { readonly domain: string; readonly path: string };
  readonly #registry: RegistryClient;
  readonly #signal: AbortSignal | undefined;

  constructor(
    { domain, path }: RepositoryContent['repository'],
    registry: RegistryClient,
    signal: AbortSignal | undefined,
  ) {
    this.repository = { domain, path };
    this.#registry = registry;
    this.#signal = signal;
  }

  async manifest(entry: Descriptor): Promise<StoredManifest> {
    const reference = { ...this.repository, digest: entry.digest };
    const answer = await this.#registry.manifest(reference, this.#listening);
    return asDescribed(repositoryOf(reference), entry, verifyManifest(answer, reference));
  }

  blob(blob: Descriptor): BlobContent {
    const access = { ...this.repository, actions: ['pull'] } as const;
    return {
      open: (start, hashing) =>
        downloadBlob(this.#registry.requests, access, blob, { start, hashing, ...this.#listening }),
    };
  }

  get #listening(): { readonly signal?: AbortSignal } {
    return this.#signal === undefined ? {} : { signal: this.#signal };
  }
}
