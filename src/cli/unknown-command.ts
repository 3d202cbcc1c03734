import { Config } from '@oclif/core/config';
import { CLIError } from '@oclif/core/errors';
import type { LoadOptions } from '@oclif/core/interfaces';
import { DeployerError } from '../lib/errors.js';
import { editDistance } from '../lib/nearest.js';
import { shownInput } from '../lib/redact.js';

/** Whether `thrown` is oclif's word that there is no such command. */
export function isUnknownCommand(thrown: unknown): boolean {
  // oclif has no class or code for it; a `command_not_found` hook would take the place of a host's own.
  return thrown instanceof CLIError && /^command [^]* not found\.?$/i.test(thrown.message);
}

/** What was not known of `argv`. Loads the list of commands only now, when something is to be suggested. */
export async function unknownCommand(argv: readonly string[], root: LoadOptions): Promise<DeployerError> {
  const { bin, commandIDs: ids } = await Config.load(root);
  const asked = argv[0] === 'help' ? argv.slice(1) : argv;
  const usage = (message: string, ...suggestions: readonly string[]): DeployerError =>
    new DeployerError('usage', message, { suggestions });
  const firstFlag = asked.findIndex((word) => word.startsWith('-'));
  if (firstFlag === 0) {
    const flag = shown(asked.slice(0, 1));
    const order = `${flag} comes before the command; flags go after it`;
    return usage(order, `${bin} COMMAND ${flag}`, `${bin} --help`);
  }
  const words = firstFlag === -1 ? asked : asked.slice(0, firstFlag);
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
  const name = near.id.replaceAll(':', ' ');
  const given = shown(words.slice(0, near.words));
  const message = `"${given}" is not a command of ${bin}; did you mean "${name}"?`;
  return usage(message, `${bin} ${name}`, `${bin} --help`);
}

function shown(words: readonly string[]): string {
  return shownInput(words.join(' '), 80);
}

/** The words at the beginning that lead to commands: `image`. */
function topicOf(words: readonly string[], ids: readonly string[]): readonly string[] {
  const end = words.findIndex((_, at) => {
    const topic = `${words.slice(0, at + 1).join(':')}:`;
    return !ids.some((id) => id.startsWith(topic));
  });
  return words.slice(0, end === -1 ? words.length : end);
}

/** The command that was meant, with its words misspelt or its topic left out (`rollback` for `release rollback`). */
function nearestCommand(words: readonly string[], ids: readonly string[]): Near | undefined {
  const rated = ids.flatMap((id) => [rate(words, id, id), rate(words, id, id.slice(id.indexOf(':') + 1))]);
  const near = rated.filter(({ distance, limit }) => distance <= limit);
  return near.sort((a, b) => a.distance - b.distance)[0];
}

interface Near {
  readonly id: string;
  /** Of the words given, so many are the command's; what follows are arguments. */
  readonly words: number;
}

function rate(
  words: readonly string[],
  id: string,
  written: string,
): Near & { readonly distance: number; readonly limit: number } {
  const count = wordsIn(written);
  const given = words.slice(0, count).join(':').slice(0, 64);
  const limit = Math.max(1, Math.floor(written.length / 3));
  return { id, words: count, distance: editDistance(given, written), limit };
}

function wordsIn(id: string): number {
  return id.split(':').length;
}
