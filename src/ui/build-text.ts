import type { BuildImageResult } from '../deploy/build-image.js';
import { formatSize } from '../lib/size.js';

/** `build` for a person: what there is now, and what it took. */
export function buildLines(result: BuildImageResult): string[] {
  const { reference, imageId, digest, mediaType, attestations, pushed, contextBytesSent, durations } = result;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const form = mediaType === undefined ? '' : `  (${mediaType}${attestations?.length ? ', attested' : ''})`;
  return [
    `${reference} is ${pushed ? 'pushed' : 'built; it lies in the engine alone (--push sends it to its registry)'}`,
    digest === undefined ? `  image   ${imageId}` : `  digest  ${digest}${form}`,
    `  took    ${seconds(durations.build)} to build${pushed ? `, ${seconds(durations.push)} to push` : ''}; ${formatSize(contextBytesSent)} of the context sent`,
  ];
}
