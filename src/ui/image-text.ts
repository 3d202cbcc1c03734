import type { Diagnosis } from '../image/diagnose.js';
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

/** `image diagnose` for a person: who is told what, and what follows. */
export function diagnosisLines(diagnosis: Diagnosis): string[] {
  const { reference, digest, clients, targets, suggestions } = diagnosis;
  const lines = [
    digest === undefined ? reference : `${reference}  ${digest}`,
    '',
    'What each kind of client is told:',
  ];
  for (const { name, who, method, status, code, message, found } of clients) {
    lines.push(
      `  ${found ? '✔' : '✖'} ${name.padEnd(18)} ${method.padEnd(4)} ${status === 0 ? 'no answer' : status}  ${who}`,
    );
    if (!found && (code !== undefined || message !== undefined)) {
      lines.push(`      ${[code, message].filter((part) => part !== undefined && part !== '').join(': ')}`);
    } else if (!found && method === 'HEAD') {
      lines.push('      (an answer to HEAD has no body: the reason stays hidden)');
    }
  }
  if (targets.length > 0) lines.push('', 'What follows for each target:');
  for (const { name, runs, adaptation, reason } of targets) {
    lines.push(
      `  ${runs ? '✔' : '✖'} ${name.padEnd(18)} ${runs ? 'runs it as it is' : `needs: ${adaptation}`}. ${reason}`,
    );
  }
  if (suggestions.length > 0) lines.push('', ...suggestions.map((suggestion) => `Try: ${suggestion}`));
  return lines;
}
