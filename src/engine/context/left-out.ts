import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { isMalformed, PatternMatcher } from './pattern-matcher.js';

/** A file of the context that a build does not get. */
export interface LeftOut {
  readonly path: string;
  /** The ignore file. */
  readonly by: string;
  /** Of its last pattern that matches; from 1. */
  readonly line: number;
  readonly pattern: string;
}

/**
 * Which of these paths are in the context, and yet left out of the build by its ignore file. What can't be read is
 * told elsewhere: here it is none.
 * @param dockerfile whose own ignore file goes first; undefined: it is no file
 */
export async function leftOutOf(
  context: string,
  dockerfile: DockerfilePlace | undefined,
  paths: readonly string[],
): Promise<LeftOut[]> {
  const ignore = await ignoreFileOf(context, dockerfile);
  if (ignore === undefined) return [];
  const found: LeftOut[] = [];
  for (const path of paths) {
    const line = decidingLine(ignore.lines, path);
    if (line === undefined || !(await isThere(join(context, path)))) continue;
    found.push({ path, by: ignore.path, line, pattern: (ignore.lines[line - 1] ?? '').trim() });
  }
  return found;
}

/**
 * What makes no sense in the ignore file that a build goes by: the engine tells neither the file nor the line.
 * @param dockerfile as of `leftOutOf`
 * @returns undefined where all of it does, and where it can't be read
 */
export async function ignoreFault(
  context: string,
  dockerfile: DockerfilePlace | undefined,
): Promise<DeployerError | undefined> {
  const ignore = await ignoreFileOf(context, dockerfile);
  if (ignore === undefined) return undefined;
  const at = ignore.lines.findIndex((line) => !line.startsWith('#') && isMalformed(line));
  if (at === -1) return undefined;
  const where = `${ignore.path}:${at + 1}`;
  const pattern = cleanLine((ignore.lines[at] ?? '').trim(), 80);
  return new DeployerError('usage', `${where}: the pattern "${pattern}" is malformed`, {
    suggestions: [`mend ${where}: a "[" needs its "]", a "!" a pattern after it`],
  });
}

interface DockerfilePlace {
  readonly folder: string;
  readonly name: string;
}

interface IgnoreFile {
  readonly path: string;
  readonly lines: readonly string[];
}

async function ignoreFileOf(
  context: string,
  dockerfile: DockerfilePlace | undefined,
): Promise<IgnoreFile | undefined> {
  const places = [
    ...(dockerfile ? [join(dockerfile.folder, `${dockerfile.name}.dockerignore`)] : []),
    join(context, '.dockerignore'),
  ];
  for (const path of places) {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text !== undefined) return { path, lines: text.replace(/^\uFEFF/, '').split('\n') };
  }
  return undefined;
}

/** The last that matches is the one without which, and what follows, the path is still in. */
function decidingLine(lines: readonly string[], path: string): number | undefined {
  const isOut = (count: number): boolean => {
    try {
      return new PatternMatcher(lines.slice(0, count).filter((line) => !line.startsWith('#'))).matches(path);
    } catch {
      // A malformed pattern is the build's to tell.
      return false;
    }
  };
  if (!isOut(lines.length)) return undefined;
  for (let count = lines.length; count > 0; count -= 1) if (!isOut(count - 1)) return count;
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
