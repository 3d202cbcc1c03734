import { Config } from '@oclif/core/config';
import { CLIError } from '@oclif/core/errors';
import type { LoadOptions } from '@oclif/core/interfaces';
import { DeployerError } from '../lib/errors.js';
import { editDistance } from '../lib/nearest.js';
import { cleanLine } from '../lib/text.js';

/** Whether `thrown` is oclif's word that there is no such command. */
export function isUnknownCommand(thrown: unknown): boolean {
  // oclif has no class or code for it; a `command_not_found` hook would take the place of a host's own.
  return thrown instanceof CLIError && /^command [^]* not found$/.test(thrown.message);
}

/** What was not known of `argv`. Loads the list of commands only now, when something is to be suggested. */
export async function unknownCommand(argv: readonly string[], root: LoadOptions): Promise<DeployerError> {
  const { bin, commandIDs: ids } = await Config.load(root);
  const usage = (message: string, ...suggestions: readonly string[]): DeployerError =>
    new DeployerError('usage', message, { suggestions });
  const firstFlag = argv.findIndex((word) => word.startsWith('-'));
  if (firstFlag === 0) {
    const flag = shown(argv.slice(0, 1));
    const order = `${flag} comes before the command; flags go after it`;
    return usage(order, `${bin} COMMAND ${flag}`, `${bin} --help`);
  }
  const words = firstFlag === -1 ? argv : argv.slice(0, firstFlag);
  // oclif takes the arguments of a command that has none for a part of its name.
  const called = ids.find((id) => id === words.slice(0, wordsIn(id)).join(':'));
  if (called !== undefined) {
    const name = called.replaceAll(':', ' ');
    const rest = words.slice(wordsIn(called));
    return usage(`"${name}" takes no arguments, and was given "${shown(rest)}"`, `${bin} ${name} --help`);
  }
  const near = nearestCommand(words, ids);
  if (near === undefined) {
    const topic = topicOf(words, ids);
    const given = shown(words.slice(0, topic.length + 1));
    return usage(`"${given}" is not a command of ${bin}`, [bin, ...topic, '--help'].join(' '));
  }
  const name = near.replaceAll(':', ' ');
  const given = shown(words.slice(0, wordsIn(near)));
  const message = `"${given}" is not a command of ${bin}; did you mean "${name}"?`;
  return usage(message, `${bin} ${name}`, `${bin} --help`);
}

function shown(words: readonly string[]): string {
  return cleanLine(words.join(' '), 80);
}

/** The words at the beginning that lead to commands: `image`. */
function topicOf(words: readonly string[], ids: readonly string[]): readonly string[] {
  const end = words.findIndex((_, at) => {
    const topic = `${words.slice(0, at + 1).join(':')}:`;
    return !ids.some((id) => id.startsWith(topic));
  });
  return words.slice(0, end === -1 ? words.length : end);
}

// What follows the command's own words are arguments: only as many words count as the candidate has.
function nearestCommand(words: readonly string[], ids: readonly string[]): string | undefined {
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
