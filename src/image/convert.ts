import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Descriptor } from '../oci/descriptor.js';
import { algorithmOf, digestOf, shortDigest } from '../oci/digest.js';
import { formOf, mediaTypeIn, type ImageForm } from '../oci/image-form.js';
import { readIndex } from '../oci/image-index.js';
import {
  applyEdits,
  elementsOf,
  keepElements,
  membersOf,
  rootOf,
  type Edit,
  type Span,
} from '../oci/json-text.js';
import { parseManifest, type ImageIndex, type ImageManifest } from '../oci/manifest.js';
import { MEDIA_TYPE, mediaTypeName } from '../oci/media-types.js';
import type { ImageTree } from './image-tree.js';
import type { StoredManifest } from './stored-manifest.js';

export interface Conversion {
  readonly to: ImageForm;
  readonly stripAttestations: boolean;
}

/**
 * The same image in the other form: media types change, and with them every digest above the blobs; config and layers
 * stay as they are. What is in that form already keeps its digest. Pure. Only the values that must change are written
 * anew, so that there and back gives the same bytes (of manifests that name their own media type).
 * @throws DeployerError `image_not_convertible`, naming the part that has no equal in the other form
 */
export function convertImage(tree: ImageTree, conversion: Conversion): ImageTree {
  const { stored } = tree;
  const { to, stripAttestations } = conversion;
  if (stored.content.kind === 'manifest')
    return { stored: convertManifest(stored, stored.content, to), children: [] };
  const kept = stripAttestations ? withoutAttestations(tree) : tree;
  const children = kept.children.map((child) => convertImage(child, conversion));
  refuseStaleAttestations(kept, children);
  return { stored: convertIndex(kept.stored, children, to), children };
}

function convertManifest(stored: StoredManifest, manifest: ImageManifest, to: ImageForm): StoredManifest {
  const isOther = formOf(manifest.mediaType) !== to;
  const mediaType = isOther ? mediaTypeIn(to, manifest.mediaType) : manifest.mediaType;
  if (mediaType === undefined)
    throw notConvertible(stored, to, `${mediaTypeName(manifest.mediaType)} is of neither form`);
  if (isOther) refuseUnequal(stored, manifest, to);
  return edited(stored, mediaType, (text, members) => [
    ...renamed(text, members.get('config'), to),
    ...spansOf(text, members.get('layers')).flatMap((layer) => renamed(text, layer, to)),
  ]);
}

function convertIndex(stored: StoredManifest, children: readonly ImageTree[], to: ImageForm): StoredManifest {
  const { content } = stored;
  const mediaType = mediaTypeIn(to, content.mediaType) ?? content.mediaType;
  return edited(stored, mediaType, (text, members) =>
    spansOf(text, members.get('manifests')).flatMap((entry, at) => {
      const child = (children[at] as ImageTree).stored;
      return replaced(text, entry, {
        mediaType: child.content.mediaType,
        digest: child.digest,
        size: child.size,
      });
    }),
  );
}

/** The manifest with its own media type and some more values changed; the very same one when none is. */
function edited(
  stored: StoredManifest,
  mediaType: string,
  editsOf: (text: string, members: ReadonlyMap<string, Span>) => readonly Edit[],
): StoredManifest {
  const text = stored.bytes.toString('utf8');
  const root = rootOf(text);
  const members = membersOf(text, root);
  const edits = [...editsOf(text, members)];
  if (members.has('mediaType')) edits.push(...replaced(text, root, { mediaType }));
  // OCI only recommends that a manifest names its own type; Docker's form must.
  else if (mediaType !== stored.content.mediaType)
    edits.push({
      start: root.start + 1,
      end: root.start + 1,
      text: `"mediaType":${JSON.stringify(mediaType)},`,
    });
  return edits.length === 0 ? stored : storedOf(applyEdits(text, edits), mediaType, stored);
}

function storedOf(text: string, mediaType: string, before: StoredManifest): StoredManifest {
  const bytes = Buffer.from(text);
  const digest = digestOf(bytes, algorithmOf(before.digest));
  return { digest, size: bytes.length, bytes, content: parseManifest(bytes, mediaType) };
}

/** The descriptor's media type in the other form, where it has one. */
function renamed(text: string, descriptor: Span | undefined, to: ImageForm): Edit[] {
  if (descriptor === undefined) return [];
  const value = membersOf(text, descriptor).get('mediaType');
  const name = value && mediaTypeIn(to, JSON.parse(text.slice(value.start, value.end)) as string);
  return name === undefined ? [] : replaced(text, descriptor, { mediaType: name });
}

function replaced(text: string, object: Span, values: Readonly<Record<string, string | number>>): Edit[] {
  const members = membersOf(text, object);
  return Object.entries(values).flatMap(([key, value]) => {
    const span = members.get(key);
    if (span === undefined || JSON.parse(text.slice(span.start, span.end)) === value) return [];
    return [{ ...span, text: JSON.stringify(value) }];
  });
}

function spansOf(text: string, array: Span | undefined): Span[] {
  return array === undefined ? [] : elementsOf(text, array);
}

function withoutAttestations({ stored, children }: ImageTree): ImageTree {
  const index = stored.content as ImageIndex;
  const attestations = new Set(readIndex(index).attestations.map(({ descriptor }) => descriptor));
  if (attestations.size === 0) return { stored, children };
  if (attestations.size === index.manifests.length) {
    throw new DeployerError('image_not_convertible', 'nothing is left of the image without its attestations');
  }
  const isKept = (at: number): boolean => !attestations.has(index.manifests[at] as Descriptor);
  const text = stored.bytes.toString('utf8');
  const manifests = membersOf(text, rootOf(text)).get('manifests') as Span;
  const stripped = applyEdits(text, [keepElements(text, manifests, isKept)]);
  return {
    stored: storedOf(stripped, index.mediaType, stored),
    children: children.filter((_, at) => isKept(at)),
  };
}

/** An attestation names the digest of what it is about: of another digest it says nothing. */
function refuseStaleAttestations({ stored, children }: ImageTree, converted: readonly ImageTree[]): void {
  if (readIndex(stored.content as ImageIndex).attestations.length === 0) return;
  const changed = children.some((child, at) => child.stored.digest !== converted[at]?.stored.digest);
  if (!changed) return;
  throw new DeployerError(
    'image_not_convertible',
    `the image's attestations are about its digest, and converting changes that`,
    { suggestions: ['leave them out: --strip-attestations'] },
  );
}

/** Refuses what the other form has no words for. */
function refuseUnequal(stored: StoredManifest, manifest: ImageManifest, to: ImageForm): void {
  const { config, layers, subject } = manifest;
  const layer = layers.find(({ mediaType }) => !hasName(mediaType, to));
  if (layer?.mediaType === MEDIA_TYPE.inToto) {
    throw notConvertible(stored, to, 'it is an attestation (in-toto)', [
      'leave attestations out: --strip-attestations',
    ]);
  }
  if (!hasName(config.mediaType, to)) {
    throw notConvertible(
      stored,
      to,
      `it is no container image but an artifact: its config is ${shown(config.mediaType)}`,
    );
  }
  if (subject !== undefined) throw notConvertible(stored, to, 'it is about another manifest (subject)');
  if (layer !== undefined) throw notConvertible(stored, to, reasonAgainst(layer), suggestionsAgainst(layer));
}

function hasName(mediaType: string, form: ImageForm): boolean {
  return formOf(mediaType) === form || mediaTypeIn(form, mediaType) !== undefined;
}

function reasonAgainst({ mediaType, digest }: Descriptor): string {
  const which = `the layer ${shortDigest(digest)}`;
  if (mediaType.includes('+encrypted')) return `${which} is encrypted`;
  if (mediaType.endsWith('zstd')) return `${which} is compressed with zstd`;
  return `${which} is ${shown(mediaType)}`;
}

function suggestionsAgainst({ mediaType }: Descriptor): string[] {
  if (!mediaType.endsWith('zstd')) return [];
  return ['build it again, which makes gzip layers: deployer build . --tag REGISTRY/NAME:TAG --push'];
}

function shown(mediaType: string): string {
  return `"${cleanLine(mediaType, 80)}"`;
}

function notConvertible(
  { digest }: StoredManifest,
  to: ImageForm,
  why: string,
  suggestions: readonly string[] = [],
): DeployerError {
  const form = to === 'oci' ? 'OCI' : 'Docker';
  return new DeployerError('image_not_convertible', `the image has no ${form} form: ${why}`, {
    evidence: [`manifest ${digest}`],
    suggestions,
  });
}
