import { EventEmitter } from 'node:events';
import type { Writable } from 'node:stream';

/** Writes bytes on. They are its own until the promise is kept; their memory may be used again then. */
export type WriteOn = (bytes: Buffer) => Promise<void>;

/**
 * The body of a request, from one who writes in memory of its own and has to know when the connection is done with it:
 * that, a pipe between two streams does not tell. docker-modem takes it for a stream that it pipes.
 */
export class Upload extends EventEmitter {
  readonly #fill: (write: WriteOn) => Promise<void>;
  #giveUp: ((reason: Error) => void) | undefined;
  #ended: Error | undefined;

  /** @param fill writes the body; the request breaks off when it fails */
  constructor(fill: (write: WriteOn) => Promise<void>) {
    super();
    this.#fill = fill;
  }

  pipe(request: Writable): void {
    request.once('close', () => this.destroy());
    this.#fill((bytes) => this.#write(request, bytes)).then(
      () => request.end(),
      (error: unknown) => {
        if (this.#ended === undefined) this.emit('error', error);
      },
    );
  }

  /** What is still to be written is written by nobody. */
  destroy(): void {
    this.#ended ??= new Error('the request has ended');
    this.#giveUp?.(this.#ended);
  }

  /** A request that is destroyed before it has a connection forgets whom it has to call back. */
  #write(request: Writable, bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      this.#giveUp = reject;
      request.write(bytes, (error) => {
        if (error instanceof Error) reject(error);
        else resolve();
      });
    });
  }
}
