import type { BuildEvent, BuildImageResult } from '../deploy/build-image.js';
import type { Vertex } from '../deploy/events.js';
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

/** As `docker build --progress plain`: every line with its step's number, since steps run at the same time. */
export function plainBuildLines(event: BuildEvent): string[] {
  if (event.type === 'warning') return [`warning: ${event.message}`];
  const at = `#${event.step.number}`;
  switch (event.type) {
    case 'started':
      return [`${at} ${event.step.name}`];
    case 'log':
      return [`${at} ${event.line}`];
    case 'completed':
    case 'failed':
      return [plainEnd({ ...event.step, ...event })];
    case 'progress':
      return [];
  }
}

/** How a step of a build ended, as `docker build --progress plain` says it. */
export function plainEnd(vertex: Pick<Vertex, 'number'> & Partial<Vertex>): string {
  const { number, cached, durationMs = 0, error } = vertex;
  if (error !== undefined) return `#${number} ERROR: ${error}`;
  return cached === true ? `#${number} CACHED` : `#${number} DONE ${doneIn(durationMs)}`;
}

/** What a build does now, in a line that is drawn over. */
export function runningLine(event: BuildEvent & { readonly type: 'started' | 'progress' | 'log' }): string {
  const { name } = event.step;
  if (event.type === 'started') return name;
  if (event.type === 'log') return `${name}: ${event.line}`;
  return `${name}: ${event.part} ${amountOf(event.current, event.total)}`;
}

export function doneIn(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}

/** bytes */
export function amountOf(current: number, total: number): string {
  if (total > 0) return `${formatSize(current)} of ${formatSize(total)}`;
  return current > 0 ? formatSize(current) : '';
}
