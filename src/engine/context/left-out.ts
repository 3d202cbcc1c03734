import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PatternMatcher } from './pattern-matcher.js';

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
  dockerfile: { readonly folder: string; readonly name: string } | undefined,
  paths: readonly string[],
): Promise<LeftOut[]> {
  const places = [
    ...(dockerfile ? [join(dockerfile.folder, `${dockerfile.name}.dockerignore`)] : []),
    join(context, '.dockerignore'),
  ];
  for (const by of places) {
    const text = await readFile(by, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const patterns = text.replace(/^\uFEFF/, '').split('\n');
    const found: LeftOut[] = [];
    for (const path of paths) {
      const line = decidingLine(patterns, path);
      if (line === undefined || !(await isThere(join(context, path)))) continue;
      found.push({ path, by, line, pattern: (patterns[line - 1] ?? '').trim() });
    }
    return found;
  }
  return [];
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
