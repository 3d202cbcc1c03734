import { posix } from 'node:path';
import { instructionsOf } from './dockerfile-lines.js';

/** The paths in the context that COPY and ADD name, as far as that can be told without a build. */
export function copiedIn(dockerfile: string): string[] {
  return instructionsOf(dockerfile).flatMap(({ text }) => copiedBy(text));
}

/** Of one instruction, in one line. */
export function copiedBy(instruction: string): string[] {
  return sourcesOf(instruction)
    .map((source) => posix.normalize(`/${source}`).replace(/^\/|\/$/g, ''))
    .filter((source) => source !== '');
}

/** Of one instruction, those of its sources that lie above the context. */
export function outsideOf(instruction: string): string[] {
  return sourcesOf(instruction).filter((source) => /^\.\.(?:\/|$)/.test(posix.normalize(source)));
}

function sourcesOf(instruction: string): string[] {
  const [keyword = '', ...words] = instruction.split(' ');
  if (!/^(?:COPY|ADD)$/.test(keyword) || words.some((word) => word.startsWith('--from='))) return [];
  const sources = words.filter((word) => !word.startsWith('--')).slice(0, -1);
  return sources.filter((source) => !/[$*?[\]"'<]|:\/\//.test(source));
}
