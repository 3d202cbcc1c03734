import { setMaxListeners } from 'node:events';
import { DeployerError } from '../lib/errors.js';
import type { Platform } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { RegistryClient } from '../registry/client.js';
import { convertImage, type Conversion } from './convert.js';
import { CopyTally, type CopyProgress } from './copy-tally.js';
import { copyReferrers } from './copy-referrers.js';
import { copyTree, type CopyTreePorts } from './copy-tree.js';
import type { ImageDestination } from './destinations/destination.js';
import {
  blobsOf,
  choosePlatformManifest,
  loadTree,
  nodesBelow,
  onlyImage,
  type ImageTree,
} from './image-tree.js';
import { formatImageLocation, type ImageLocation } from './location.js';
import { openDestination } from './open-destination.js';
import { openSource } from './open-source.js';
import type { ImageSearch } from './search.js';
import type { ImageSource } from './sources/source.js';
import type { StoredManifest } from './stored-manifest.js';

export interface CopyRequest {
  readonly source: ImageLocation;
  readonly destination: ImageLocation;
  /** This platform's own manifest alone; everything else unless told. */
  readonly platform?: Platform;
  readonly conversion?: Conversion;
  /** Also what is about the image: signatures, SBOMs. */
  readonly referrers?: boolean;
}

export interface CopyPorts {
  readonly registry: RegistryClient;
  readonly search: ImageSearch;
  /** Where a gzipped archive is unpacked. */
  readonly tempFolder: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: CopyProgress) => void;
}

/** The `--json` document of `deployer image copy` and `deployer image convert`. */
export interface CopyResult {
  readonly source: string;
  readonly destination: string;
  /** Of what lies at the destination now. */
  readonly digest: Digest;
  /** Of what was named as the source, when it is another: one platform was taken out of it, or it was converted. */
  readonly sourceDigest?: Digest;
  /** Of blobs. */
  readonly bytesSent: number;
  readonly blobsMounted: number;
  readonly blobsSkipped: number;
  /**
   * The destination's name meant this very image already: nothing was sent. Of one that lies in a registry its
   * manifests were not read then, and the counts are 0.
   */
  readonly unchanged: boolean;
}

/**
 * Copies an image from a registry, a layout or an archive to any of them, its digest kept unless it is converted.
 * @throws DeployerError `push_failed`, `platform_not_found`, `image_not_convertible`, `image_file_invalid`, ...
 */
export async function copyImage(request: CopyRequest, ports: CopyPorts): Promise<CopyResult> {
  const stop = new AbortController();
  const signal = AbortSignal.any([ports.signal, stop.signal]);
  // Each request under way listens to it: more than the ten from which Node suspects a leak.
  setMaxListeners(64, signal);
  const source = await openSource(request.source, { ...ports, signal });
  try {
    const destination = await openDestination(request, ports.registry, signal);
    try {
      const tally = new CopyTally(ports.onProgress);
      const end = (reason: unknown): void => {
        stop.abort(reason);
      };
      return await copyBetween(request, { source, destination, tally, signal, stop: end });
    } finally {
      await destination.close();
    }
  } finally {
    await source.close();
  }
}

async function copyBetween(request: CopyRequest, ports: CopyTreePorts): Promise<CopyResult> {
  const { source, destination } = ports;
  const current = await destination.current();
  if (isWhole(request, destination) && source.repository !== undefined && current.size > 0) {
    const digest = await source.rootDigest();
    if (digest !== undefined && current.has(digest)) return resultOf(request, ports, digest, true);
  }
  const root = await source.root();
  const original = await loadTree(source, await choosePart(root, request, source, destination));
  const tree = request.conversion === undefined ? original : convertImage(original, request.conversion);
  const { digest } = tree.stored;
  const unchanged = current.has(digest);
  if (unchanged) countAsSkipped(tree, ports);
  else await copyTree(tree, ports);
  if (request.referrers === true) await copyReferrers(tree, ports);
  const other = root.digest === digest ? {} : { sourceDigest: root.digest };
  return { ...resultOf(request, ports, digest, unchanged), ...other };
}

/** Nothing is chosen or changed: the root is the same at both ends, or is copied. */
function isWhole(
  { platform, conversion, referrers = false }: CopyRequest,
  { single }: ImageDestination,
): boolean {
  return platform === undefined && conversion === undefined && !referrers && !single;
}

async function choosePart(
  root: StoredManifest,
  { platform }: CopyRequest,
  source: ImageSource,
  destination: ImageDestination,
): Promise<StoredManifest> {
  if (platform !== undefined) return choosePlatformManifest(source, root, platform);
  if (!destination.single) return root;
  const only = await onlyImage(source, root);
  if (only !== undefined) return only;
  throw new DeployerError(
    'usage',
    `${source.name} is for several platforms, and ${destination.name} holds one`,
    {
      suggestions: ['say which: --platform linux/amd64', 'oci:DIR holds all of them'],
    },
  );
}

function countAsSkipped(tree: ImageTree, { tally }: CopyTreePorts): void {
  const blobs = blobsOf(nodesBelow(tree).map(({ stored }) => stored));
  tally.expect(blobs);
  for (const blob of blobs) tally.arrived(blob, 'skipped');
}

function resultOf(
  request: CopyRequest,
  { destination, tally }: CopyTreePorts,
  digest: Digest,
  unchanged: boolean,
): CopyResult {
  const { bytesSent, blobsMounted, blobsSkipped } = tally.progress;
  return {
    source: formatImageLocation(request.source),
    destination: destination.name,
    ...{ digest, bytesSent, blobsMounted, blobsSkipped, unchanged },
  };
}
