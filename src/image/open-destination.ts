import { DeployerError } from '../lib/errors.js';
import { parseReference, type Reference } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import type { ImageDestination } from './destinations/destination.js';
import { DockerArchiveDestination } from './destinations/docker-archive-destination.js';
import { LayoutDestination } from './destinations/layout-destination.js';
import { RegistryDestination } from './destinations/registry-destination.js';
import { formatImageLocation, type ImageLocation } from './location.js';

/**
 * @param source from whose repository blobs may be mounted
 * @throws DeployerError `usage`, `push_failed`
 */
export async function openDestination(
  {
    source,
    destination,
  }: { readonly source: ImageLocation | undefined; readonly destination: ImageLocation },
  registry: RegistryClient,
  signal: AbortSignal,
): Promise<ImageDestination> {
  switch (destination.kind) {
    case 'registry': {
      const mountFrom = mountableFrom(source, destination.reference);
      return new RegistryDestination(destination.reference, {
        ...{ requests: registry.requests, signal },
        ...(mountFrom === undefined ? {} : { mountFrom }),
      });
    }
    case 'oci': {
      const { tag, digest } = destination.choice;
      if (digest !== undefined) {
        throw new DeployerError(
          'usage',
          `${formatImageLocation(destination)}: a layout to write to takes a tag`,
          {
            suggestions: [`oci:${destination.folder}:TAG`],
          },
        );
      }
      return LayoutDestination.open(destination.folder, tag, signal);
    }
    case 'docker-archive':
      return DockerArchiveDestination.open(
        { name: formatImageLocation(destination), path: destination.file },
        loadNameOf(source, destination.name),
        signal,
      );
  }
}

/** A repository of the destination's own registry: its blobs need not be sent. */
function mountableFrom(source: ImageLocation | undefined, { domain, path }: Reference): string | undefined {
  if (source?.kind !== 'registry' || source.reference.domain !== domain || source.reference.path === path)
    return undefined;
  return source.reference.path;
}

/** What `docker load` calls the image: what was asked for, else what it was called where it came from. */
function loadNameOf(source: ImageLocation | undefined, name: string | undefined): Reference | undefined {
  const reference = name === undefined ? nameOf(source) : parseReference(name);
  if (reference === undefined) return undefined;
  const { domain, path, tag = 'latest' } = reference;
  return { domain, path, tag };
}

function nameOf(source: ImageLocation | undefined): Reference | undefined {
  if (source?.kind !== 'registry') return undefined;
  const { tag, digest } = source.reference;
  return tag === undefined && digest !== undefined ? undefined : source.reference;
}
