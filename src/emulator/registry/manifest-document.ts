import { DeployerError } from '../../lib/errors.js';
import type { Digest } from '../../oci/digest.js';
import { parseManifest } from '../../oci/manifest.js';
import { isIndexType, isManifestType } from '../../oci/media-types.js';
import { ProtocolError } from './protocol-error.js';

/** What a registry has to know of a manifest or an index. */
export interface ManifestDocument {
  readonly mediaType: string;
  /** Config and layers: blobs that the repository must hold. */
  readonly blobs: readonly Digest[];
  /** Children of an index: the repository must hold them, too. */
  readonly children: readonly Digest[];
  readonly subject?: Digest;
  /** As a referrers list shows it. */
  readonly artifactType?: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Reads a pushed manifest.
 * @param contentType the request's header: must name the kind of manifest, and the same that the document names
 * @throws ProtocolError MANIFEST_INVALID that says what is wrong where
 */
export function parseManifestDocument(bytes: Buffer, contentType: string | undefined): ManifestDocument {
  const mediaType = contentType?.split(';', 1)[0]?.trim() ?? '';
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) {
    throw invalid(`Content-Type "${mediaType}" is neither an image manifest's nor an index's`);
  }
  const document = parse(bytes, mediaType);
  const { annotations, artifactType, subject } = document;
  const common = { mediaType, annotations, ...(subject && { subject: subject.digest }) };
  if (document.kind === 'index') {
    const children = document.manifests.map(({ digest }) => digest);
    return { ...common, blobs: [], children, ...(artifactType && { artifactType }) };
  }
  const { config, layers } = document;
  // A descriptor with URLs is got from there: the registry need not have it.
  const blobs = [config, ...layers].filter(({ urls = [] }) => urls.length === 0).map(({ digest }) => digest);
  // distribution-spec, "Listing Referrers": the config's media type stands in for a missing artifactType.
  return { ...common, blobs, children: [], artifactType: artifactType || config.mediaType };
}

function parse(bytes: Buffer, mediaType: string): ReturnType<typeof parseManifest> {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (error instanceof DeployerError) throw invalid(error.message);
    throw error;
  }
}

function invalid(what: string): ProtocolError {
  return new ProtocolError('MANIFEST_INVALID', 'manifest invalid', { detail: what });
}
