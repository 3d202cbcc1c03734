import type { DeployerError } from '../lib/errors.js';
import type { Descriptor } from './descriptor.js';
import { algorithmOf, Digester } from './digest.js';

/**
 * Who hashes content: the one that keeps it. A registry does so with all that it stores, and refuses what is not what
 * its digest says; what is kept or used here is hashed here.
 */
export type Hashing = 'here' | 'by the registry';

/**
 * Follows content to its end: never more than its size and, when it is hashed here, the last of it only with the right
 * digest. What is not read from its first byte can't be hashed: its size alone is watched.
 */
export class ContentCheck {
  readonly #expected: Pick<Descriptor, 'digest' | 'size'>;
  readonly #mismatch: (evidence: string) => DeployerError;
  readonly #digester: Digester | undefined;
  #position: number;

  /** @param mismatch makes the error out of what was found */
  constructor(
    expected: Pick<Descriptor, 'digest' | 'size'>,
    { start, hashing }: { readonly start: number; readonly hashing: Hashing },
    mismatch: (evidence: string) => DeployerError,
  ) {
    this.#expected = expected;
    this.#mismatch = mismatch;
    this.#position = start;
    this.#digester =
      start === 0 && hashing === 'here' ? new Digester(algorithmOf(expected.digest)) : undefined;
    if (this.complete) this.#checkDigest();
  }

  get position(): number {
    return this.#position;
  }

  get complete(): boolean {
    return this.#position >= this.#expected.size;
  }

  take<T extends Uint8Array>(chunk: T): T {
    this.#position += chunk.length;
    const { size } = this.#expected;
    if (this.#position > size) throw this.#mismatch(`it is longer than the ${size} bytes of its descriptor`);
    this.#digester?.update(chunk);
    if (this.complete) this.#checkDigest();
    return chunk;
  }

  #checkDigest(): void {
    const digest = this.#digester?.digest();
    const expected = this.#expected.digest;
    if (digest !== undefined && digest !== expected)
      throw this.#mismatch(`the digest of its bytes is ${digest}, not ${expected}`);
  }
}
