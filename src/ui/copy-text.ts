import type { CopyResult } from '../image/copy.js';
import { formatSize } from '../lib/size.js';

/** `image copy` and `image convert` for a person: what lies where, and what it took. */
export function copyLines({
  destination,
  digest,
  bytesSent,
  blobsMounted,
  blobsSkipped,
  unchanged,
}: CopyResult): string[] {
  if (unchanged) return [`${destination} is that image already`, `  digest  ${digest}`];
  const spared = [`${blobsMounted} mounted`, `${blobsSkipped} already there`];
  return [
    destination,
    `  digest  ${digest}`,
    `  sent    ${formatSize(bytesSent)}; blobs ${spared.join(', ')}`,
  ];
}
