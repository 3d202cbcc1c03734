import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { formatReference, parseReference } from '../../oci/reference.js';

/** Where steps that were run before are found again, or kept for later, as BuildKit's importers and exporters know it. */
export interface BuildCache {
  readonly type: 'registry' | 'inline';
  readonly attributes: Readonly<Record<string, string>>;
}

const FROM_ATTRIBUTES: ReadonlySet<string> = new Set(['ref']);
const TO_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...['ref', 'mode', 'image-manifest', 'oci-mediatypes', 'ignore-error'],
  ...['compression', 'compression-level', 'force-compression'],
]);

/** The flags of caches, read. @throws DeployerError `usage`, `reference_invalid` */
export function readCacheFlags(flags: {
  readonly 'cache-from'?: readonly string[] | undefined;
  readonly 'cache-to'?: readonly string[] | undefined;
}): { readonly cacheFrom: readonly BuildCache[]; readonly cacheTo: readonly BuildCache[] } {
  return {
    cacheFrom: (flags['cache-from'] ?? []).map(parseCacheFrom),
    cacheTo: (flags['cache-to'] ?? []).map(parseCacheTo),
  };
}

/**
 * `REF`, or `type=registry,ref=REF`: a cache that was pushed there, or an image with its cache inside.
 * @throws DeployerError `usage`, `reference_invalid`
 */
export function parseCacheFrom(text: string): BuildCache {
  const { type, attributes } = parseCache(text, '--cache-from', FROM_ATTRIBUTES);
  if (type === 'registry') return { type, attributes };
  throw usage('--cache-from: an inline cache is read from its image', '--cache-from type=registry,ref=IMAGE');
}

/**
 * `REF` or `type=registry,ref=REF[,mode=min|max]`: pushed there by itself; `type=inline`: inside of the image.
 * @throws DeployerError `usage`, `reference_invalid`
 */
export function parseCacheTo(text: string): BuildCache {
  const { type, attributes } = parseCache(text, '--cache-to', TO_ATTRIBUTES);
  const { mode = 'min' } = attributes;
  if (mode !== 'min' && mode !== 'max')
    throw usage(`--cache-to: mode is "${cleanLine(mode, 40)}"; expected min or max`);
  if (type === 'inline') {
    if (Object.keys(attributes).length === 0) return { type, attributes };
    throw usage('--cache-to: an inline cache takes nothing but type=inline');
  }
  // Always said: both defaults differ between versions of BuildKit. As a manifest every registry takes it.
  return { type, attributes: { 'image-manifest': 'true', 'oci-mediatypes': 'true', ...attributes } };
}

function parseCache(text: string, flag: string, known: ReadonlySet<string>): BuildCache {
  const fields = text.includes('=') ? text.split(',') : [`ref=${text}`];
  const attributes = new Map<string, string>();
  for (const field of fields) {
    const [name = '', ...value] = field.split('=');
    if (value.length === 0 || value.join('=') === '')
      throw usage(`${flag}: "${cleanLine(field, 60)}" has no value`);
    attributes.set(name, value.join('='));
  }
  const type = attributes.get('type') ?? 'registry';
  attributes.delete('type');
  if (type !== 'registry' && type !== 'inline')
    throw usage(`${flag}: type "${cleanLine(type, 40)}" is not known; expected registry or inline`);
  const unknown = [...attributes.keys()].find((name) => !known.has(name));
  if (unknown !== undefined) throw usage(`${flag}: "${cleanLine(unknown, 40)}" is not known`);
  const ref = attributes.get('ref');
  if (type === 'registry') {
    if (ref === undefined) throw usage(`${flag}: it has no ref`);
    const reference = parseReference(ref);
    const tag = reference.digest === undefined ? (reference.tag ?? 'latest') : reference.tag;
    attributes.set('ref', formatReference({ ...reference, ...(tag === undefined ? {} : { tag }) }));
  }
  return { type, attributes: Object.fromEntries(attributes) };
}

function usage(message: string, ...suggestions: string[]): DeployerError {
  const examples = [
    '--cache-from REF',
    '--cache-to type=registry,ref=REF,mode=max',
    '--cache-to type=inline',
  ];
  return new DeployerError('usage', message, {
    suggestions: suggestions.length > 0 ? suggestions : examples,
  });
}
