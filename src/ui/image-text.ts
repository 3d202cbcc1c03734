import type { Inspection, InspectedPlatform } from '../image/inspect.js';
import { formatSize } from '../lib/size.js';
import { cleanLine } from '../lib/text.js';

/** `image inspect` for a person: a tree of what lies in the registry. What the image says itself is cleaned. */
export function inspectionLines(inspection: Inspection): string[] {
  const { reference, digest, mediaType, kind, size, platforms, attestations, annotations } = inspection;
  const lines = [
    reference,
    `  digest       ${digest}`,
    `  kind         ${kind} (${cleanLine(mediaType)}), ${formatSize(size)}`,
  ];
  for (const platform of platforms) lines.push(...platformLines(platform));
  for (const { digest: of, subject, predicateTypes } of attestations) {
    lines.push(`  attestation  ${cleanLine(predicateTypes.join(', ')) || 'of no named predicate type'}`);
    lines.push(`    digest     ${of}`);
    if (subject !== undefined) lines.push(`    about      ${subject}`);
  }
  for (const [key, value] of Object.entries(annotations))
    lines.push(`  annotation   ${cleanLine(`${key}=${value}`, 500)}`);
  return lines;
}

function platformLines({ os, architecture, variant, digest, size, layers }: InspectedPlatform): string[] {
  const name = [os, architecture, variant].filter((part) => part !== undefined).join('/');
  const count = layers.length === 1 ? '1 layer' : `${layers.length} layers`;
  return [
    `  platform     ${cleanLine(name)}, ${formatSize(size)} in ${count}`,
    `    digest     ${digest}`,
    ...layers.map(
      (layer) => `    layer      ${layer.digest}  ${formatSize(layer.size)}  ${cleanLine(layer.mediaType)}`,
    ),
  ];
}
