import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { BlobArrival } from '../registry/push.js';

/** How far a copy is; the whole of it, each time. */
export interface CopyProgress {
  readonly bytesTotal: number;
  /** Sent, mounted or there already. */
  readonly bytesDone: number;
  /** Bytes of blobs that went out, those that had to go twice counted twice. */
  readonly bytesSent: number;
  readonly blobsTotal: number;
  readonly blobsSent: number;
  readonly blobsMounted: number;
  readonly blobsSkipped: number;
}

/** Counts what a copy does, and tells whoever looks on. */
export class CopyTally {
  readonly #onProgress: (progress: CopyProgress) => void;
  readonly #positions = new Map<Digest, number>();
  #bytesDone = 0;
  #progress: CopyProgress = {
    ...{ bytesTotal: 0, bytesDone: 0, bytesSent: 0 },
    ...{ blobsTotal: 0, blobsSent: 0, blobsMounted: 0, blobsSkipped: 0 },
  };

  constructor(onProgress: (progress: CopyProgress) => void = () => undefined) {
    this.#onProgress = onProgress;
  }

  get progress(): CopyProgress {
    return { ...this.#progress, bytesDone: this.#bytesDone };
  }

  expect(blobs: readonly Descriptor[]): void {
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    this.#change({
      bytesTotal: this.#progress.bytesTotal + bytes,
      blobsTotal: this.#progress.blobsTotal + blobs.length,
    });
  }

  sent(bytes: number): void {
    this.#progress = { ...this.#progress, bytesSent: this.#progress.bytesSent + bytes };
  }

  at({ digest }: Descriptor, position: number): void {
    this.#bytesDone += position - (this.#positions.get(digest) ?? 0);
    this.#positions.set(digest, position);
    this.#onProgress(this.progress);
  }

  arrived(blob: Descriptor, how: BlobArrival): void {
    const { blobsSent, blobsMounted, blobsSkipped } = this.#progress;
    this.#progress = {
      ...this.#progress,
      ...(how === 'sent' ? { blobsSent: blobsSent + 1 } : {}),
      ...(how === 'mounted' ? { blobsMounted: blobsMounted + 1 } : {}),
      ...(how === 'skipped' ? { blobsSkipped: blobsSkipped + 1 } : {}),
    };
    this.at(blob, blob.size);
  }

  #change(change: Partial<CopyProgress>): void {
    this.#progress = { ...this.#progress, ...change };
    this.#onProgress(this.progress);
  }
}
