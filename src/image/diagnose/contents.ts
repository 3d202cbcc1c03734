import { DeployerError } from '../../lib/errors.js';
import { mapInParallel } from '../../lib/in-parallel.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import type { ImageManifest } from '../../oci/manifest.js';
import { isForeignLayer } from '../../oci/media-types.js';
import { formatPlatform } from '../../oci/platform.js';
import { formatReference, type Reference } from '../../oci/reference.js';
import type { RegistryClient } from '../../registry/client.js';
import { isMissing } from '../missing-image.js';
import type { FoundImage } from '../search.js';
import type { ImageShape, PlatformImage, ShapeReader } from '../shape.js';

/** A part that is named and can't be had. */
export interface PartProblem {
  readonly kind: 'manifest' | 'config' | 'layer';
  readonly digest: Digest;
  /** `unchecked`: the registry gave no answer that tells. */
  readonly state: 'missing' | 'damaged' | 'unchecked';
  /** What it breaks: `linux/amd64`, `attestation`. */
  readonly breaks: readonly string[];
  readonly reason: string;
}

/** How much of what an image names is really there. */
export interface PartsReport {
  /** Whether every manifest, config and layer was asked for, or the images' manifests alone. */
  readonly complete: boolean;
  /** Each counted once, however often it is named. */
  readonly checked: { readonly manifests: number; readonly blobs: number };
  readonly problems: readonly PartProblem[];
}

export interface Contents {
  /** With the manifest of every image whose manifest is there. */
  readonly shape: ImageShape;
  readonly parts: PartsReport;
}

export interface ContentsPorts {
  readonly registry: RegistryClient;
  readonly reader: ShapeReader;
}

/** Parts asked for at the same time. */
const AT_ONCE = 6;

/**
 * Reads what an image is made of. A part that can't be had is a finding here, not an error.
 *
 * The images' manifests are read in any case: their layers decide who can run them. With `complete` also the
 * attestations', and every config and layer is asked for with HEAD: one request for each that is distinct, none of
 * which a registry counts as a pull.
 * @throws DeployerError when not even the shape can be read: `image_incomplete`, `manifest_invalid`, ...
 */
export async function readContents(
  found: FoundImage,
  ports: ContentsPorts,
  complete: boolean,
  signal?: AbortSignal,
): Promise<Contents> {
  const { reference } = found;
  const shape = await readShape(found, ports.reader, signal);
  const entries = manifestsOf(shape, complete);
  const manifests = await mapInParallel(entries, AT_ONCE, (entry) =>
    readPart(entry, reference, ports, signal),
  );
  const blobs = complete ? blobsOf(manifests) : [];
  const blobProblems = await mapInParallel(blobs, AT_ONCE, (blob) =>
    checkBlob(blob, reference, ports, signal),
  );
  const read = new Map(manifests.map(({ digest, manifest }) => [digest, manifest]));
  return {
    shape: { ...shape, images: shape.images.map((image) => withManifest(image, read.get(image.digest))) },
    parts: {
      complete,
      checked: { manifests: manifests.length, blobs: blobs.length },
      problems: [...manifests.flatMap(({ problem }) => problem ?? []), ...blobProblems.flat()],
    },
  };
}

async function readShape(
  found: FoundImage,
  reader: ShapeReader,
  signal: AbortSignal | undefined,
): Promise<ImageShape> {
  try {
    return await reader.read(found, signal);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new DeployerError(
      'image_incomplete',
      `${formatReference(found.reference)} is there, but not all that it names: ${error.message}`,
      { cause: error, evidence: error.evidence, suggestions: ['build and push the image again'] },
    );
  }
}

/** The problems that keep this platform's image from running. */
export function problemsOf({ problems }: PartsReport, image: PlatformImage): readonly PartProblem[] {
  return problems.filter(({ breaks, state }) => state !== 'unchecked' && breaks.includes(breaksOf(image)));
}

function breaksOf({ platform }: PlatformImage): string {
  return platform === undefined ? 'the image' : formatPlatform(platform);
}

/** A manifest, and what does not run without it. */
interface NamedManifest extends Descriptor {
  readonly breaks: readonly string[];
  readonly manifest?: ImageManifest;
}

/** Each once: an index may name the same for several platforms. */
function manifestsOf({ images, attestations }: ImageShape, complete: boolean): NamedManifest[] {
  const named = new Map<Digest, NamedManifest>();
  const add = (part: NamedManifest): void => {
    const breaks = [...(named.get(part.digest)?.breaks ?? []), ...part.breaks];
    named.set(part.digest, { ...part, breaks: [...new Set(breaks)] });
  };
  for (const image of images) {
    const { manifest, digest, mediaType, size } = image;
    add({
      ...{ digest, mediaType, size },
      breaks: [breaksOf(image)],
      ...(manifest === undefined ? {} : { manifest }),
    });
  }
  if (complete) {
    for (const { descriptor } of attestations) add({ ...descriptor, breaks: ['attestation'] });
  }
  return [...named.values()];
}

interface ReadPart extends NamedManifest {
  readonly problem?: PartProblem;
}

async function readPart(
  part: NamedManifest,
  reference: Reference,
  { reader }: ContentsPorts,
  signal: AbortSignal | undefined,
): Promise<ReadPart> {
  const { digest, breaks } = part;
  if (part.manifest !== undefined) return part;
  try {
    const manifest = await reader.manifestOf(reference, part, signal);
    return manifest === undefined ? part : { ...part, manifest };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof DeployerError)) throw error;
    const reason = error.message;
    return { ...part, problem: { kind: 'manifest', digest, state: stateOf(error), breaks, reason } };
  }
}

function stateOf({ code, exit }: DeployerError): PartProblem['state'] {
  if (code === 'digest_not_found' || code === 'repository_not_found') return 'missing';
  return exit === 5 || code === 'digest_mismatch' ? 'damaged' : 'unchecked';
}

interface NamedBlob {
  readonly kind: 'config' | 'layer';
  readonly descriptor: Descriptor;
  readonly breaks: readonly string[];
}

/** Each once, with all that it is a part of; none that lie elsewhere by right. */
function blobsOf(manifests: readonly ReadPart[]): NamedBlob[] {
  const blobs = new Map<Digest, NamedBlob>();
  const add = (kind: NamedBlob['kind'], descriptor: Descriptor, breaks: readonly string[]): void => {
    if (isForeignLayer(descriptor.mediaType)) return;
    const known = blobs.get(descriptor.digest);
    const all = new Set([...(known?.breaks ?? []), ...breaks]);
    blobs.set(descriptor.digest, { kind: known?.kind ?? kind, descriptor, breaks: [...all] });
  };
  for (const { manifest, breaks } of manifests) {
    if (manifest === undefined) continue;
    add('config', manifest.config, breaks);
    for (const layer of manifest.layers) add('layer', layer, breaks);
  }
  return [...blobs.values()];
}

async function checkBlob(
  { kind, descriptor, breaks }: NamedBlob,
  reference: Reference,
  { registry }: ContentsPorts,
  signal: AbortSignal | undefined,
): Promise<PartProblem[]> {
  const { digest, size } = descriptor;
  const problem = (state: PartProblem['state'], reason: string): PartProblem[] => [
    { kind, digest, state, breaks, reason },
  ];
  try {
    const { status, headers } = await registry.headBlob(reference, digest, signal);
    if (status === 404) return problem('missing', `${reference.domain} does not have it`);
    if (status !== 200) return problem('unchecked', `${reference.domain} answers ${status}`);
    const { 'content-length': length } = headers;
    // A registry that does not tell the length is believed.
    if (length === undefined || Number(length) === size) return [];
    return problem('damaged', `it has ${length} bytes there, and ${size} by its manifest`);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof DeployerError)) throw error;
    return problem('unchecked', error.message);
  }
}

function withManifest(image: PlatformImage, manifest: ImageManifest | undefined): PlatformImage {
  return manifest === undefined ? image : { ...image, manifest };
}
