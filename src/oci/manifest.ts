import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Descriptor, Platform } from './descriptor.js';
import { isDigest } from './digest.js';
import { MEDIA_TYPE, isIndexType, isManifestType, isSchema1Type } from './media-types.js';

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

/** The largest manifest that is read: distribution's own limit, and every registry's that is known. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** More children or layers than this are an attack on memory, not an image. */
const MOST_DESCRIPTORS = 10_000;

/**
 * Reads a manifest or an index from its exact bytes.
 * @param contentType the answer's media type, parameters and all; '' when there was none (an image layout)
 * @throws DeployerError `schema1_unsupported` or `manifest_invalid`
 */
export function parseManifest(bytes: Uint8Array, contentType: string): ImageIndex | ImageManifest {
  const value = parseObject(bytes);
  const mediaType = agreedMediaType(value, contentType);
  if (isSchema1Type(mediaType) || value['schemaVersion'] === 1) throw schema1Unsupported();
  if (value['schemaVersion'] !== 2) throw invalid(`schemaVersion is ${shown(value['schemaVersion'])}, not 2`);
  if (isIndexType(mediaType)) {
    // CVE-2021-41190: a document that can be read both ways means different things to different clients.
    if (value['layers'] !== undefined || value['config'] !== undefined) {
      throw invalid('an index that also holds "layers" or "config" is ambiguous (CVE-2021-41190)');
    }
    return { kind: 'index', mediaType, manifests: descriptors(value, 'manifests'), ...common(value) };
  }
  if (isManifestType(mediaType)) {
    if (value['manifests'] !== undefined) {
      throw invalid('a manifest that also holds "manifests" is ambiguous (CVE-2021-41190)');
    }
    return {
      kind: 'manifest',
      mediaType,
      config: descriptor(value['config'], 'config'),
      layers: descriptors(value, 'layers'),
      ...common(value),
    };
  }
  throw invalid(`its media type ${shown(mediaType)} is neither an image manifest nor an index`);
}

/** For who knows it by its media type before its bytes are looked at. */
export function schema1Unsupported(): DeployerError {
  return new DeployerError(
    'schema1_unsupported',
    'the image is in Docker manifest schema 1, which was retired in 2020: it names no config, and its digest does not cover the image as it is run',
    { suggestions: ['build and push the image again with a current Docker or buildx'] },
  );
}

function agreedMediaType(value: JsonObject, contentType: string): string {
  const declared = value['mediaType'];
  if (declared !== undefined && typeof declared !== 'string') throw invalid('"mediaType" is not a string');
  const answered = (contentType.split(';')[0] as string).trim().toLowerCase();
  const generic =
    answered === '' || answered === 'application/json' || answered === 'application/octet-stream';
  if (!generic && declared !== undefined && declared.toLowerCase() !== answered) {
    throw invalid(`Content-Type says ${shown(answered)}, the body says ${shown(declared)} (CVE-2021-41190)`);
  }
  if (!generic) return answered;
  if (declared !== undefined) return declared.toLowerCase();
  // image-spec: mediaType SHOULD be there; layouts of old tools leave it out, and the shape tells.
  return Array.isArray(value['manifests']) ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest;
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid('it is not JSON', error);
  }
  if (!isObject(value)) throw invalid('it is not a JSON object');
  return value;
}

function common(value: JsonObject): Pick<ImageManifest, 'annotations' | 'artifactType' | 'subject'> {
  return {
    annotations: strings(value['annotations']),
    ...(typeof value['artifactType'] === 'string' ? { artifactType: value['artifactType'] } : {}),
    ...(isObject(value['subject']) ? { subject: descriptor(value['subject'], 'subject') } : {}),
  };
}

function descriptors(value: JsonObject, key: string): Descriptor[] {
  const list = value[key] ?? [];
  if (!Array.isArray(list)) throw invalid(`"${key}" is not a list`);
  if (list.length > MOST_DESCRIPTORS) throw invalid(`"${key}" holds ${list.length} entries`);
  return list.map((entry, at) => descriptor(entry, `${key}[${at}]`));
}

/** @throws DeployerError `manifest_invalid`, naming the place */
function descriptor(value: unknown, where: string): Descriptor {
  if (!isObject(value)) throw invalid(`${where} is not a descriptor`);
  const { mediaType, digest, size, annotations, artifactType, urls } = value;
  if (!isDigest(digest)) throw invalid(`${where}.digest is ${shown(digest)}`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${where}.size is ${shown(size)}`);
  if (typeof mediaType !== 'string') throw invalid(`${where}.mediaType is missing`);
  const platform = isObject(value['platform']) ? platformOf(value['platform']) : undefined;
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform }),
    ...(isObject(annotations) ? { annotations: strings(annotations) } : {}),
    ...(typeof artifactType === 'string' ? { artifactType } : {}),
    ...(Array.isArray(urls) ? { urls: urls.filter((url) => typeof url === 'string') } : {}),
  };
}

/** Undefined when it names no system or no processor: then the config has to tell. */
function platformOf(value: JsonObject): Platform | undefined {
  // They are printed, compared and handed on: names, which hold no control character.
  const text = (key: string): string => (typeof value[key] === 'string' ? cleanLine(value[key], 64) : '');
  const [os, architecture] = [text('os'), text('architecture')];
  if (os === '' || architecture === '') return undefined;
  return {
    os,
    architecture,
    ...(text('variant') ? { variant: text('variant') } : {}),
    ...(text('os.version') ? { 'os.version': text('os.version') } : {}),
  };
}

function strings(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  // Not its JSON: what is nested deep enough overflows the stack of JSON.stringify.
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return `"${cleanLine(typeof value === 'string' ? value : JSON.stringify(value), 80)}"`;
}

function invalid(why: string, cause?: unknown): DeployerError {
  return new DeployerError('manifest_invalid', `the registry's manifest can't be used: ${why}`, {
    cause,
    suggestions: [
      'push the image again; if it stays, the registry or something before it changes what it stores',
    ],
  });
}
