import { posix } from 'node:path';
import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';

/*
 * The patterns of a .dockerignore as docker reads them (https://docs.docker.com/build/concepts/context/#syntax): Go's
 * filepath.Match with `**`, always from the root of the context. The last pattern that matches a path, or a folder that it
 * lies in, decides; `!` takes back in.
 */

interface Pattern {
  readonly text: string;
  readonly isException: boolean;
  readonly expression: RegExp;
}

/** Which patterns matched a folder: what lies in it inherits them. */
export type FolderMatch = readonly boolean[];

export interface PathMatch {
  readonly isMatched: boolean;
  readonly folder: FolderMatch;
}

export class PatternMatcher {
  readonly #patterns: readonly Pattern[];

  /** @throws DeployerError `usage` for a pattern that makes no sense, naming it */
  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
      .map((pattern) => pattern.trim())
      .flatMap((text) => (text === '' ? [] : [parse(text)]));
  }

  /** @param path below the root, with `/`, without a slash at its start or end */
  matches(path: string): boolean {
    let above: FolderMatch | undefined;
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
      above = this.match(path.slice(0, at), above).folder;
    }
    return this.match(path, above).isMatched;
  }

  /** As `matches`, for one who walks a tree and has asked about the folder above already. */
  match(path: string, above?: FolderMatch): PathMatch {
    const folder = this.#patterns.map(({ expression }, at) => above?.[at] === true || expression.test(path));
    const last = folder.lastIndexOf(true);
    return { isMatched: last !== -1 && this.#patterns[last]?.isException === false, folder };
  }

  /** Whether an exception may take something back in that lies in this folder. */
  mayTakeBackIn(folder: string): boolean {
    return this.#patterns.some(
      ({ isException, text }) =>
        isException && (text.startsWith(`${folder}/`) || canMatchBelow(text, folder)),
    );
  }

  /** Whether something may match that lies in this folder. */
  mayMatchIn(folder: string): boolean {
    return this.#patterns.some(
      ({ isException, text }) =>
        !isException && (text.startsWith(`${folder}/`) || canMatchBelow(text, folder)),
    );
  }
}

/** Whether a pattern makes no sense. */
export function isMalformed(pattern: string): boolean {
  try {
    if (pattern.trim() !== '') parse(pattern.trim());
    return false;
  } catch {
    return true;
  }
}

/** A pattern with wildcards before its last part may reach into many folders; one without names its own. */
function canMatchBelow(text: string, folder: string): boolean {
  const parts = text.split('/');
  const above = folder.split('/');
  for (const [at, part] of parts.entries()) {
    const name = above[at];
    if (part.includes('**') || name === undefined) return true;
    if (!compile(part, part).test(name)) return false;
  }
  // It matches the folder, or one above it, and with it all that lies there.
  return true;
}

function parse(line: string): Pattern {
  const isException = line.startsWith('!');
  // Of `!` the rest is cleaned too: `! /a/` is `a`.
  const bare = (isException ? line.slice(1) : line).trim();
  if (bare === '') throw malformed(line);
  const cleaned = posix.normalize(bare).replace(/(?<=.)\/$/, '');
  const text = cleaned.length > 1 && cleaned.startsWith('/') ? cleaned.slice(1) : cleaned;
  return { text, isException, expression: compile(text, line) };
}

/** @param line the pattern as it was written, for the error */
function compile(text: string, line: string): RegExp {
  let source = '';
  const letters = [...text];
  for (let at = 0; at < letters.length; at += 1) {
    const letter = letters[at] as string;
    if (letter === '*' && letters[at + 1] === '*') {
      at += letters[at + 2] === '/' ? 2 : 1;
      // At the end it takes everything, before more any number of folders, also none.
      source += at + 1 >= letters.length ? '.*' : '(?:.*/)?';
    } else if (letter === '*') source += '[^/]*';
    else if (letter === '?') source += '[^/]';
    else if (letter === '[') {
      const { source: set, end } = readSet(letters, at, line);
      source += set;
      at = end;
    } else if (letter === '\\') {
      at += 1;
      if (at >= letters.length) throw malformed(line);
      source += escaped(letters[at] as string);
    } else source += escaped(letter);
  }
  return new RegExp(`^${source}$`, 'su');
}

/** `[a-z]`, `[^a-z]`; a backslash takes the next letter as it is. */
function readSet(letters: readonly string[], start: number, line: string): { source: string; end: number } {
  const isNegated = letters[start + 1] === '^';
  let at = start + (isNegated ? 2 : 1);
  const ranges: string[] = [];
  const next = (): string => {
    let letter = letters[at++];
    if (letter === '\\') letter = letters[at++];
    if (letter === undefined) throw malformed(line);
    return letter;
  };
  while (letters[at] !== ']') {
    const from = next();
    if (letters[at] !== '-') {
      ranges.push(inSet(from));
      continue;
    }
    at += 1;
    if (letters[at] === ']') throw malformed(line);
    const to = next();
    if ((from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0)) throw malformed(line);
    ranges.push(`${inSet(from)}-${inSet(to)}`);
  }
  if (ranges.length === 0) throw malformed(line);
  return { source: `[${isNegated ? '^' : ''}${ranges.join('')}]`, end: at };
}

function escaped(letter: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(letter) ? `\\${letter}` : letter;
}

function inSet(letter: string): string {
  return `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`;
}

function malformed(line: string): DeployerError {
  return new DeployerError('usage', `.dockerignore: the pattern "${cleanLine(line, 80)}" is malformed`, {
    suggestions: ['mend the line in the .dockerignore: a "[" needs its "]", a "!" a pattern after it'],
  });
}
