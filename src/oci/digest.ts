import { createHash, type Hash } from 'node:crypto';

/** `sha256:<64 hex>` or `sha512:<128 hex>`, validated: safe in a path or URL. */
export type Digest = string & { readonly __digest: unique symbol };

export type DigestAlgorithm = 'sha256' | 'sha512';

const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

/** Whether `text` is a digest of a registered algorithm (image-spec, descriptor.md#registered-algorithms). */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && text.length <= 135 && DIGEST.test(text);
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/**
 * To load what hashes takes Node some milliseconds. Called once something that will be hashed has been asked for, they
 * pass while the answer is awaited: the question leaves in the first turn of the event loop.
 */
export function prepareToHash(): void {
  setImmediate(() => setImmediate(() => createHash('sha256')));
}

/** The digest of whole bytes. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** A running digest, for streams. */
export class Digester {
  readonly #hash: Hash;
  readonly #algorithm: DigestAlgorithm;

  constructor(algorithm: DigestAlgorithm = 'sha256') {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}` as Digest;
  }
}

/** `sha256:9984b97e…`, for people. */
export function shortDigest(digest: string): string {
  const at = digest.indexOf(':');
  return `${digest.slice(0, at + 9)}…`;
}
