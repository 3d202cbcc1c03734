import type { ErrorDocument } from '../lib/errors.js';
import type { Io } from './io.js';

/** This program's name before one of its commands. The rooms that suggest commands know no other. */
const COMMAND = /\bdeployer (?=(?:deploy|build|image|release|status|emulator)\b)/g;

/** `text` with the commands that it tells to run as they are run here: as a plugin they belong to its host. */
export function asCalled({ bin }: Pick<Io, 'bin'>, text: string): string {
  return text.replace(COMMAND, `${bin} `);
}

/** The error with suggestions that can be run here. */
export function withOwnCommands(io: Pick<Io, 'bin'>, error: ErrorDocument): ErrorDocument {
  return { ...error, suggestions: error.suggestions.map((suggestion) => asCalled(io, suggestion)) };
}
