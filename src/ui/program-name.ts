import type { ErrorDocument } from '../lib/errors.js';
import type { Io } from './io.js';

/** This program's name before one of its commands. The rooms that suggest commands know no other. */
const COMMAND = /\bdeployer (?=(?:deploy|build|image|release|status|emulator)\b)/g;
/** One of the commands that talk to the deploy API. */
const API_COMMAND = /\bdeployer (?:deploy|status|release (?:list|show|rollback))\b(?! --help)/g;

type Called = Pick<Io, 'bin' | 'apiFlags'>;

/** `text` with the commands that it tells to run as they are run here: as a plugin they belong to its host. */
export function asCalled({ bin, apiFlags }: Called, text: string): string {
  return text.replace(API_COMMAND, (command) => command + apiFlags).replace(COMMAND, `${bin} `);
}

/** The error with suggestions that can be run here. */
export function withOwnCommands(io: Called, error: ErrorDocument): ErrorDocument {
  return { ...error, suggestions: error.suggestions.map((suggestion) => asCalled(io, suggestion)) };
}
