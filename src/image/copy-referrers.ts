import { DeployerError } from '../lib/errors.js';
import type { Digest } from '../oci/digest.js';
import { copyParts, type CopyTreePorts } from './copy-tree.js';
import { loadTree, nodesBelow, type ImageTree } from './image-tree.js';

/** Anyone may attach to a public image: more than this is not copied in one run. */
const MOST_REFERRERS = 1000;

/** Copies what is about the image and its parts (signatures, SBOMs), and what is about that. */
export async function copyReferrers(tree: ImageTree, ports: CopyTreePorts): Promise<void> {
  const { source, destination } = ports;
  const subjects = nodesBelow(tree).map(({ stored }) => stored.digest);
  const seen = new Set<Digest>(subjects);
  for (const subject of subjects) {
    for (const entry of await source.referrers(subject)) {
      if (seen.has(entry.digest)) continue;
      if (seen.size >= MOST_REFERRERS)
        throw new DeployerError('push_failed', `${source.name} has more than ${MOST_REFERRERS} referrers`);
      seen.add(entry.digest);
      subjects.push(entry.digest);
      const referrer = await loadTree(source, await source.manifest(entry));
      await copyParts(referrer, ports);
      await destination.referrer(referrer.stored, entry);
    }
  }
}
