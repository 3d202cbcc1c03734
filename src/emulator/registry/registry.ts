import { answerBlob } from './blob-endpoint.js';
import { BlobStore } from './blob-store.js';
import { DurableFiles } from './durable-files.js';
import { jsonReply, methodNotAllowed, type Exchange, type Reply } from './exchange.js';
import { KeyedLock } from './keyed-lock.js';
import type { Layout } from './layout.js';
import { answerCatalog, answerReferrers, answerTags } from './list-endpoints.js';
import { answerManifest } from './manifest-endpoint.js';
import { ManifestStore } from './manifest-store.js';
import { parseRoute } from './routes.js';
import { answerUpload, answerUploads } from './upload-endpoints.js';
import { UploadSessions } from './upload-sessions.js';

/** The registry behind HTTP: which endpoint answers what, on which stores. */
export class Registry {
  readonly uploads: UploadSessions;
  readonly #layout: Layout;
  readonly #blobs: BlobStore;
  readonly #manifests: ManifestStore;
  readonly #legacyAccept: boolean;

  constructor(layout: Layout, legacyAccept: boolean) {
    const files = new DurableFiles(layout.tempDir);
    const repositoryLock = new KeyedLock();
    this.#layout = layout;
    this.#blobs = new BlobStore(layout, files, repositoryLock);
    this.#manifests = new ManifestStore(layout, files, this.#blobs, repositoryLock);
    this.#legacyAccept = legacyAccept;
    this.uploads = new UploadSessions(layout, this.#blobs, new KeyedLock());
  }

  /** @throws ProtocolError */
  async answer(exchange: Exchange): Promise<Reply> {
    const route = parseRoute(exchange.path);
    switch (route.kind) {
      case 'base':
        if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw methodNotAllowed('GET, HEAD');
        return jsonReply({});
      case 'catalog':
        return answerCatalog(this.#layout, exchange);
      case 'tags':
        return answerTags(this.#manifests, route, exchange);
      case 'referrers':
        return answerReferrers(this.#manifests, route, exchange);
      case 'manifest':
        return answerManifest(this.#manifests, route, exchange, this.#legacyAccept);
      case 'blob':
        return answerBlob(this.#blobs, route, exchange);
      case 'uploads':
        return answerUploads({ blobs: this.#blobs, uploads: this.uploads }, route, exchange);
      case 'upload':
        return answerUpload(this.uploads, route, exchange);
    }
  }
}
