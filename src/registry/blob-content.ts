import type { Hashing } from '../oci/content-check.js';

/** A blob's bytes, which can be read again from any place: an upload that broke goes on where the registry has it. */
export interface BlobContent {
  /**
   * The bytes from `start` to the blob's end; never more or fewer than its size. A chunk may be overwritten as soon as
   * the next one is asked for. Hashed here, and read from 0, the last chunk comes only when the digest is right.
   * @throws DeployerError that names what is damaged, where it lies
   */
  open(start: number, hashing: Hashing): AsyncIterable<Uint8Array>;
}
