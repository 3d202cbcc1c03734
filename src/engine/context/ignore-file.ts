import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreFault } from './left-out.js';
import { PatternMatcher } from './pattern-matcher.js';
import { unreadable } from './walk.js';

/**
 * What a build leaves out of its context: by the Dockerfile's own ignore file (`NAME.dockerignore`, beside it) where
 * there is one, else by the context's `.dockerignore`. BuildKit reads them itself; who sends a tar has to.
 * @param dockerfile undefined: it is no file
 * @throws DeployerError `usage` for a malformed pattern, with its line; `context_unreadable`
 */
export async function readIgnoreFile(
  context: string,
  dockerfile: { readonly folder: string; readonly name: string } | undefined,
): Promise<PatternMatcher | undefined> {
  const own = dockerfile && (await textOf(dockerfile.folder, `${dockerfile.name}.dockerignore`));
  const text = own ?? (await textOf(context, '.dockerignore'));
  try {
    return text === undefined ? undefined : new PatternMatcher(patternsIn(text));
  } catch (error) {
    throw (await ignoreFault(context, dockerfile)) ?? error;
  }
}

/** Lines that begin with `#` are comments; one with blanks before it is a pattern. */
function patternsIn(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .filter((line) => !line.startsWith('#'));
}

async function textOf(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(name, code, error);
  }
}
