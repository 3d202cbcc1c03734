import type { CopyResult } from '../image/copy.js';
import { formatSize } from '../lib/size.js';

/** `image copy` and `image convert` for a person: what lies where, and what it took. */
export function copyLines({
  destination,
  digest,
  sourceDigest,
  bytesSent,
  blobsMounted,
  blobsSkipped,
  unchanged,
}: CopyResult): string[] {
  const digests = [
    `  digest  ${digest}`,
    // Who looks for the one that was named looks in vain.
    ...(sourceDigest === undefined
      ? []
      : [`  source  ${sourceDigest}; a part of an image, or one that is converted, has a digest of its own`]),
  ];
  if (unchanged) return [`${destination} is that image already`, ...digests];
  const spared = [`${blobsMounted} mounted`, `${blobsSkipped} already there`];
  return [destination, ...digests, `  sent    ${formatSize(bytesSent)}; blobs ${spared.join(', ')}`];
}
