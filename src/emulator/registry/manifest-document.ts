import { isDigest, type Digest } from '../../oci/digest.js';
import { isIndexType, isManifestType, MEDIA_TYPE } from '../../oci/media-types.js';
import { ProtocolError } from './protocol-error.js';

/** A manifest or index in its pushed bytes must not be longer (distribution-spec, "Pushing Manifests"; bytes). */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** What a registry has to know of a manifest or an index. */
export interface ManifestDocument {
  readonly mediaType: string;
  /** Config and layers: blobs that the repository must hold. */
  readonly blobs: readonly Digest[];
  /** Children of an index: the repository must hold them, too. */
  readonly children: readonly Digest[];
  readonly subject?: Digest;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a pushed manifest.
 * @param contentType the request's header; may be absent when the document names its own media type
 * @throws ProtocolError MANIFEST_INVALID that says what is wrong where
 */
export function parseManifestDocument(bytes: Buffer, contentType: string | undefined): ManifestDocument {
  const document = parseObject(bytes);
  const mediaType = mediaTypeOf(document, contentType);
  if (document['schemaVersion'] !== 2) throw invalid('schemaVersion must be 2');
  const kind = isIndexType(mediaType) ? readIndex(document) : readImage(document);
  const annotations = readAnnotations(document['annotations']);
  const subject = document['subject'];
  return {
    mediaType,
    ...kind,
    ...(subject === undefined ? {} : { subject: readDescriptor(subject, 'subject').digest }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function parseObject(bytes: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalid('not JSON');
  }
  if (!isObject(value)) throw invalid('not a JSON object');
  return value;
}

/** Guards against a document that means one thing by its header and another by itself (CVE-2021-41190). */
function mediaTypeOf(document: JsonObject, contentType: string | undefined): string {
  const declared = document['mediaType'];
  const header = contentType?.split(';', 1)[0]?.trim();
  const mediaType = header ?? declared;
  if (typeof mediaType !== 'string' || !(isIndexType(mediaType) || isManifestType(mediaType))) {
    throw invalid(
      `media type ${JSON.stringify(mediaType ?? null)} is not that of an image manifest or index`,
    );
  }
  if (declared !== undefined && declared !== mediaType) {
    throw invalid(`mediaType ${JSON.stringify(declared)} is not the Content-Type, ${mediaType}`);
  }
  const isDocker = mediaType === MEDIA_TYPE.dockerManifest || mediaType === MEDIA_TYPE.dockerList;
  if (isDocker && declared === undefined) throw invalid(`mediaType must be ${mediaType}`);
  return mediaType;
}

function readIndex(document: JsonObject): Pick<ManifestDocument, 'blobs' | 'children' | 'artifactType'> {
  if (document['config'] !== undefined || document['layers'] !== undefined) {
    throw invalid('an index has no config and no layers');
  }
  const artifactType = readArtifactType(document);
  return {
    blobs: [],
    children: readDescriptors(document['manifests'], 'manifests').map(({ digest }) => digest),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

function readImage(document: JsonObject): Pick<ManifestDocument, 'blobs' | 'children' | 'artifactType'> {
  if (document['manifests'] !== undefined) throw invalid('an image manifest has no manifests');
  const config = readDescriptor(document['config'], 'config');
  const layers = readDescriptors(document['layers'], 'layers');
  return {
    blobs: [config, ...layers].filter(({ elsewhere }) => !elsewhere).map(({ digest }) => digest),
    children: [],
    // distribution-spec, "Listing Referrers": the config's media type stands in for a missing artifactType.
    artifactType: readArtifactType(document) ?? config.mediaType,
  };
}

interface PushedDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** It has URLs: clients get it from there, the registry need not have it. */
  readonly elsewhere: boolean;
}

function readDescriptors(value: unknown, where: string): readonly PushedDescriptor[] {
  // Go clients write an empty list as null.
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${where} must be a list`);
  return value.map((item, place) => readDescriptor(item, `${where}[${place}]`));
}

function readDescriptor(value: unknown, where: string): PushedDescriptor {
  if (!isObject(value)) throw invalid(`${where} must be a descriptor`);
  const { mediaType, digest, size, urls } = value;
  if (typeof mediaType !== 'string') throw invalid(`${where}.mediaType must be a media type`);
  if (!isDigest(digest)) throw invalid(`${where}.digest must be a sha256 or sha512 digest`);
  if (!Number.isSafeInteger(size) || Number(size) < 0)
    throw invalid(`${where}.size must be a number of bytes`);
  return { mediaType, digest, elsewhere: hasUrls(urls, where) };
}

function hasUrls(urls: unknown, where: string): boolean {
  if (urls === undefined || urls === null) return false;
  const isUrl = (url: unknown): boolean => typeof url === 'string' && /^https?:\/\/[^#]+$/.test(url);
  if (!Array.isArray(urls) || !urls.every(isUrl))
    throw invalid(`${where}.urls must be a list of http(s) URLs`);
  return urls.length > 0;
}

function readArtifactType(document: JsonObject): string | undefined {
  const artifactType = document['artifactType'];
  if (artifactType === undefined || artifactType === '') return undefined;
  if (typeof artifactType !== 'string') throw invalid('artifactType must be a media type');
  return artifactType;
}

function readAnnotations(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isAnnotations(value)) throw invalid('annotations must be strings by name');
  return value;
}

function isAnnotations(value: unknown): value is Readonly<Record<string, string>> {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string): ProtocolError {
  return new ProtocolError('MANIFEST_INVALID', 'manifest invalid', { detail: what });
}
