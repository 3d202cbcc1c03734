import { DeployerError, type ErrorCode } from '../lib/errors.js';
import type { Reference } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import type { CredentialSource } from '../registry/credentials/credential.js';

export interface PrivacyPorts {
  readonly credentials: CredentialSource;
  /** Asks as one who is not logged in. */
  readonly anonymous: RegistryClient;
}

/** Some registries hide from strangers what is private. */
const KEPT_BACK: ReadonlySet<number> = new Set([401, 403, 404]);
/** By the token server: then the registry is not even asked. */
const REFUSED: ReadonlySet<string> = new Set<ErrorCode>(['registry_unauthorized', 'registry_denied']);

/**
 * Whether a stranger who was told this is kept from something that is there.
 * @param code of the error, where there was one instead of an answer
 */
export function isKeptBack(status: number, code = ''): boolean {
  return KEPT_BACK.has(status) || (status === 0 && REFUSED.has(code));
}

/**
 * Whether an image is there for those alone who are logged in, as who asks is.
 * @param isThere of one that is still to be pushed, a registry's 404 tells a stranger nothing
 */
export async function isPrivate(
  reference: Reference,
  { credentials, anonymous }: PrivacyPorts,
  signal: AbortSignal,
  isThere = true,
): Promise<boolean> {
  if ((await credentials.find(reference.domain, reference.path)) === undefined) return false;
  try {
    // HEAD: a registry may count a GET as a pull, and strangers have few.
    const { status } = await anonymous.manifest(reference, { method: 'HEAD', signal });
    return isKeptBack(status) && (isThere || status !== 404);
  } catch (error) {
    signal.throwIfAborted();
    // Whatever else keeps the answer from coming says nothing about the image.
    if (error instanceof DeployerError) return isKeptBack(0, error.code);
    throw error;
  }
}
