import { Config } from '@oclif/core/config';
import { CLIError } from '@oclif/core/errors';
import type { LoadOptions } from '@oclif/core/interfaces';
import { DeployerError } from '../lib/errors.js';
import { editDistance } from '../lib/nearest.js';
import { cleanLine } from '../lib/text.js';

/** The words of the command that oclif did not find, if that is what `thrown` is about. */
export function unknownCommandWords(thrown: unknown): string[] | undefined {
  // oclif has no class or code for it; a `command_not_found` hook would take the place of a host's own.
  const match = thrown instanceof CLIError ? /^command ([^]*) not found$/.exec(thrown.message) : null;
  return match?.[1]?.split(':');
}

/** Loads the list of commands only now, when something is to be suggested. */
export async function unknownCommand(words: readonly string[], root: LoadOptions): Promise<DeployerError> {
  const config = await Config.load(root);
  const first = words[0] ?? '';
  if (first.startsWith('-')) {
    return new DeployerError('usage', `${cleanLine(first, 80)} comes before the command; flags go after it`, {
      suggestions: [`${config.bin} COMMAND ${cleanLine(first, 80)}`, `${config.bin} --help`],
    });
  }
  // oclif counts every command among the topics too.
  const topics = config.topics.map(({ name }) => name).filter((name) => !config.commandIDs.includes(name));
  const topic = topics.find((name) => name === first);
  const near = nearest(words, [...config.commandIDs, ...topics.filter((name) => name !== topic)]);
  const known = near?.replaceAll(':', ' ');
  const given = words.slice(0, near === undefined ? (topic === undefined ? 1 : 2) : wordsIn(near)).join(' ');
  const meant = known === undefined ? '' : `; did you mean "${known}"?`;
  return new DeployerError('usage', `"${cleanLine(given, 80)}" is not a command of ${config.bin}${meant}`, {
    suggestions: [
      ...(known === undefined ? [] : [`${config.bin} ${known}${topics.includes(known) ? ' --help' : ''}`]),
      ...(known === undefined && topic !== undefined ? [`${config.bin} ${topic} --help`] : []),
      `${config.bin} --help`,
    ],
  });
}

// What follows the command's own words are arguments: only as many words count as the candidate has.
function nearest(words: readonly string[], ids: readonly string[]): string | undefined {
  const rated = ids.map((id) => {
    const given = words.slice(0, wordsIn(id)).join(':').slice(0, 64);
    return { id, distance: editDistance(given, id), limit: Math.max(1, Math.floor(id.length / 3)) };
  });
  const near = rated.filter(({ distance, limit }) => distance <= limit);
  return near.sort((a, b) => a.distance - b.distance)[0]?.id;
}

function wordsIn(id: string): number {
  return id.split(':').length;
}
