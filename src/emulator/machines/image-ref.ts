import { DeployerError } from '../../lib/errors.js';
import { parseReference, type Reference } from '../../oci/reference.js';
import { ApiError } from './api-error.js';
import type { ImageRef } from './machine.js';

/** The reference of `config.image`. @throws ApiError 400 */
export function readImage(image: string): Reference {
  try {
    return parseReference(image);
  } catch (error) {
    if (!(error instanceof DeployerError)) throw error;
    throw new ApiError('invalid_argument', `config.image: ${error.message}`);
  }
}

/** The API's `image_ref` of a reference. */
export function imageRefOf(reference: Reference, digest: string | undefined): ImageRef {
  const known = digest ?? reference.digest;
  return {
    registry: reference.domain,
    repository: reference.path,
    // Fly names the tag that it looked up; a reference by digest alone has none.
    ...(reference.tag === undefined && reference.digest !== undefined
      ? {}
      : { tag: reference.tag ?? 'latest' }),
    ...(known === undefined ? {} : { digest: known }),
    labels: {},
  };
}

/** What the engine is told to pull: by digest wherever it is known. */
export function pullReference(ref: ImageRef): string {
  const repository = `${ref.registry}/${ref.repository}`;
  return ref.digest === undefined ? `${repository}:${ref.tag ?? 'latest'}` : `${repository}@${ref.digest}`;
}
