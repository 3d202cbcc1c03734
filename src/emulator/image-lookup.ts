import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { isDigest } from '../oci/digest.js';
import { ACCEPT_ALL } from '../oci/media-types.js';
import { formatReference, manifestNameOf } from '../oci/reference.js';
import { isLoopbackHost } from '../lib/loopback.js';
import { ApiError } from './machines/api-error.js';
import type { ImageLookup } from './machines/platform.js';

const TIMEOUT_MS = 10_000;

/**
 * Looks images up in the emulator's own registry. Those of other registries are left to the engine: their digest is
 * known only when the reference names it.
 */
export function imageLookup(registryPort: number): ImageLookup {
  return async (reference) => {
    const { hostname, port } = new URL(`http://${reference.domain}`);
    const isOwn = isLoopbackHost(hostname) && port === String(registryPort);
    if (!isOwn) return reference.digest;
    const request = httpRequest({
      host: '127.0.0.1',
      port: registryPort,
      method: 'HEAD',
      path: `/v2/${reference.path}/manifests/${manifestNameOf(reference)}`,
      headers: { accept: ACCEPT_ALL.join(', ') },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    const digest = response.headers['docker-content-digest'];
    if (response.statusCode === 200 && isDigest(digest)) return digest;
    throw new ApiError(
      'invalid_argument',
      `failed to get manifest ${formatReference(reference)}: MANIFEST_UNKNOWN: manifest unknown`,
    );
  };
}
