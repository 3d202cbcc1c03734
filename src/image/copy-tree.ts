import { inParallel } from '../lib/in-parallel.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { readIndex } from '../oci/image-index.js';
import type { BlobContent } from '../registry/blob-content.js';
import type { CopyTally } from './copy-tally.js';
import type { ImageDestination } from './destinations/destination.js';
import { blobsOf, nodesBelow, type ImageTree } from './image-tree.js';
import type { ImageSource } from './sources/source.js';
import type { StoredManifest } from './stored-manifest.js';

export interface CopyTreePorts {
  readonly source: ImageSource;
  readonly destination: ImageDestination;
  readonly tally: CopyTally;
  /** What source and destination listen to. */
  readonly signal: AbortSignal;
  /** Aborts that signal: when one part fails, the others need not come to their end. */
  readonly stop: (reason: unknown) => void;
}

/** Manifests put or looked for at the same time. */
const MANIFESTS_AT_ONCE = 6;

/**
 * Copies an image: all that the destination lacks of its blobs, then what an index names, an image before what is about
 * it, and the root last. A manifest that is there has all that it names: registries look, and this writes in that order.
 */
export async function copyTree(tree: ImageTree, ports: CopyTreePorts): Promise<void> {
  await copyParts(tree, ports);
  await ports.destination.finish(tree.stored);
}

/** As `copyTree`, without the root's own manifest. */
export async function copyParts(tree: ImageTree, ports: CopyTreePorts): Promise<void> {
  const { destination, tally, signal } = ports;
  const present = await presentManifests(tree, ports);
  const nodes = nodesBelow(tree);
  const missing = nodes.filter(({ stored }) => !present.has(stored.digest));
  const blobs = blobsOf(nodes.map(({ stored }) => stored));
  const wanted = new Set(blobsOf(missing.map(({ stored }) => stored)).map(({ digest }) => digest));
  tally.expect(blobs);
  for (const blob of blobs) if (!wanted.has(blob.digest)) tally.arrived(blob, 'skipped');
  await inParallel(
    blobs.filter(({ digest }) => wanted.has(digest)),
    destination.width,
    signal,
    (blob) => stopping(ports, copyBlob(blob, ports)),
  );
  for (const rank of ranked(missing, tree)) {
    await inParallel(rank, Math.min(MANIFESTS_AT_ONCE, destination.width), signal, (manifest) =>
      stopping(ports, destination.manifest(manifest)),
    );
  }
}

async function stopping({ stop }: CopyTreePorts, part: Promise<void>): Promise<void> {
  try {
    await part;
  } catch (error) {
    stop(error);
    throw error;
  }
}

async function copyBlob(blob: Descriptor, { source, destination, tally }: CopyTreePorts): Promise<void> {
  const content = source.blob(blob);
  const counted: BlobContent = {
    async *open(start, hashing) {
      for await (const chunk of content.open(start, hashing)) {
        tally.sent(chunk.length);
        yield chunk;
      }
    },
  };
  const how = await destination.blob(blob, counted, (position) => {
    tally.at(blob, position);
  });
  tally.arrived(blob, how);
}

/** Which manifests the destination has; what they name is there too, and not asked for. */
async function presentManifests(tree: ImageTree, ports: CopyTreePorts): Promise<ReadonlySet<Digest>> {
  const { destination, signal } = ports;
  const present = new Set<Digest>();
  for (let level: readonly ImageTree[] = [tree]; level.length > 0;) {
    const absent: ImageTree[] = [];
    await inParallel(level, MANIFESTS_AT_ONCE, signal, async (node) => {
      if (!(await destination.hasManifest(node.stored.digest))) absent.push(node);
      else for (const { stored } of nodesBelow(node)) present.add(stored.digest);
    });
    level = absent.flatMap(({ children }) => children);
  }
  return present;
}

/** In the order in which they are put: images, then what is about them, then indexes from the inside out; no root. */
function ranked(nodes: readonly ImageTree[], root: ImageTree): StoredManifest[][] {
  const ranks = new Map<number, StoredManifest[]>();
  for (const node of nodes) {
    if (node.stored.digest === root.stored.digest) continue;
    const rank = node.children.length > 0 ? 1 + height(node) : isAboutAnother(node, root) ? 1 : 0;
    ranks.set(rank, [...(ranks.get(rank) ?? []), node.stored]);
  }
  return [...ranks].sort(([a], [b]) => a - b).map(([, manifests]) => manifests);
}

function height({ children }: ImageTree): number {
  return children.length === 0 ? 0 : 1 + Math.max(...children.map(height));
}

function isAboutAnother({ stored }: ImageTree, { stored: root, children }: ImageTree): boolean {
  if (stored.content.subject !== undefined) return true;
  const indexes = [root, ...children.map((child) => child.stored)];
  return indexes.some(
    ({ content }) =>
      content.kind === 'index' &&
      readIndex(content).attestations.some(({ descriptor }) => descriptor.digest === stored.digest),
  );
}
