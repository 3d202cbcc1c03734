import { DeployerError } from '../lib/errors.js';
import { shownInput } from '../lib/redact.js';
import { isDigest } from '../oci/digest.js';
import type { LayoutChoice } from '../oci/layout.js';
import { formatReference, parseReference, type Reference } from '../oci/reference.js';

/** Where an image lies or shall lie. */
export type ImageLocation =
  | { readonly kind: 'registry'; readonly reference: Reference }
  | { readonly kind: 'oci'; readonly folder: string; readonly choice: LayoutChoice }
  | { readonly kind: 'docker-archive'; readonly file: string; readonly name?: string };

/** What other tools write, and what is written here instead. */
const OTHER_SCHEMES: Readonly<Record<string, string>> = {
  'oci-archive': 'docker-archive:FILE reads a tar of an OCI layout as well',
  'docker-daemon': 'save it first: docker save --output FILE IMAGE; then docker-archive:FILE',
  'containers-storage': 'save it first: podman save --output FILE IMAGE; then docker-archive:FILE',
};

/**
 * `oci:DIR[:TAG]`, `oci:DIR@DIGEST`, `docker-archive:FILE[:NAME]`, else a registry reference.
 * @throws DeployerError `usage`, `reference_invalid`
 */
export function parseImageLocation(text: string): ImageLocation {
  const scheme = /^([a-z-]+):/.exec(text)?.[1] ?? '';
  const rest = text.slice(scheme.length + 1);
  if (scheme === 'oci') return layoutAt(rest, text);
  if (scheme === 'docker-archive') return archiveAt(rest, text);
  const instead = Object.hasOwn(OTHER_SCHEMES, scheme) ? OTHER_SCHEMES[scheme] : undefined;
  if (instead !== undefined) {
    throw new DeployerError('usage', `"${shown(text)}": ${scheme}: is not read`, {
      suggestions: [instead],
    });
  }
  return { kind: 'registry', reference: parseReference(text) };
}

/**
 * The reference of an image that has to lie in a registry.
 * @throws DeployerError `image_source_unsupported` for a layout or an archive; `usage`, `reference_invalid`
 */
export function parseRegistryImage(text: string): Reference {
  const location = parseImageLocation(text);
  if (location.kind === 'registry') return location.reference;
  const image = shown(text);
  throw new DeployerError('image_source_unsupported', `"${image}" lies in no registry, and has to here`, {
    suggestions: [
      `put it into one first: deployer image copy ${image} REGISTRY/NAME:TAG`,
      `or look at it where it lies: deployer image inspect ${image}`,
    ],
  });
}

function shown(text: string): string {
  return shownInput(text, 200);
}

export function formatImageLocation(location: ImageLocation): string {
  if (location.kind === 'registry') return formatReference(location.reference);
  if (location.kind === 'docker-archive')
    return `docker-archive:${location.file}${location.name === undefined ? '' : `:${location.name}`}`;
  const { tag, digest } = location.choice;
  const choice = digest === undefined ? (tag === undefined ? '' : `:${tag}`) : `@${digest}`;
  return `oci:${location.folder}${choice}`;
}

function layoutAt(rest: string, text: string): ImageLocation {
  const at = rest.lastIndexOf('@');
  const digest = at === -1 ? undefined : rest.slice(at + 1);
  if (isDigest(digest)) return { kind: 'oci', folder: named(rest.slice(0, at), text), choice: { digest } };
  const [folder, tag] = splitName(rest);
  return { kind: 'oci', folder: named(folder, text), choice: tag === undefined ? {} : { tag } };
}

function archiveAt(rest: string, text: string): ImageLocation {
  const [file, name] = splitName(rest);
  if (file === '-') {
    throw new DeployerError('usage', `"${shown(text)}": an archive is a file here, no stream`, {
      suggestions: ['name a file: docker-archive:FILE', 'one that is called - is docker-archive:./-'],
    });
  }
  return { kind: 'docker-archive', file: named(file, text), ...(name === undefined ? {} : { name }) };
}

/** At the first colon, as skopeo does; that of a Windows drive is not one. */
function splitName(rest: string): [path: string, name: string | undefined] {
  const colon = rest.indexOf(':', /^[A-Za-z]:[\\/]/.test(rest) ? 2 : 0);
  if (colon === -1) return [rest, undefined];
  return [rest.slice(0, colon), rest.slice(colon + 1) || undefined];
}

function named(path: string, text: string): string {
  if (path !== '' && !path.includes('\0')) return path;
  throw new DeployerError('usage', `"${shown(text)}" names no file or folder`, {
    suggestions: ['write oci:DIR[:TAG] or docker-archive:FILE[:NAME]'],
  });
}
