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
const REFUSED: ReadonlySet<ErrorCode> = new Set(['registry_unauthorized', 'registry_denied']);

/** Whether an image that was found is there for those alone who are logged in, as who found it is. */
export async function isPrivate(
  reference: Reference,
  { credentials, anonymous }: PrivacyPorts,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await credentials.find(reference.domain, reference.path)) === undefined) return false;
  try {
    // HEAD: a registry may count a GET as a pull, and strangers have few.
    const { status } = await anonymous.manifest(reference, { method: 'HEAD', signal });
    return KEPT_BACK.has(status);
  } catch (error) {
    signal.throwIfAborted();
    // Whatever else keeps the answer from coming says nothing about the image.
    if (error instanceof DeployerError) return REFUSED.has(error.code);
    throw error;
  }
}
