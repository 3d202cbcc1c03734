/** A blob's bytes, which can be read again from any place: an upload that broke goes on where the registry has it. */
export interface BlobContent {
  /**
   * The bytes from `start` to the blob's end. A chunk may be overwritten as soon as the next one is asked for. Whoever
   * gives them checks them: read from 0, the last chunk comes only when size and digest are right.
   * @throws DeployerError that names what is damaged, where it lies
   */
  open(start: number): AsyncIterable<Uint8Array>;
}
