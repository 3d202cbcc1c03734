import { createHash } from 'node:crypto';
import { lstat, readFile, realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { asUnreadable } from '../context/content.js';
import type { PatternMatcher } from '../context/pattern-matcher.js';
import type { DockerfileSource } from './build.js';

export interface ClassicDockerfile {
  /** Its path in the archive. */
  readonly path: string;
  readonly text: string;
  /** As a person knows it. */
  readonly shown: string;
  /** What goes into the archive for it, in the place of the context's own. */
  readonly placed: ReadonlyMap<string, Buffer>;
}

/**
 * How the Dockerfile reaches an engine that knows of files only what is in the archive: as the file that it is, where
 * it is one of the context's that are sent; else under a name of its own, which an ignore file keeps out of what COPY
 * takes. The name hangs on its content alone, so that the next build of the same finds the cache of this one.
 * @param excluded what is left out of the context
 * @throws DeployerError `usage` when it can't be read, `context_unreadable` for the ignore file
 */
export async function placeInArchive(
  source: DockerfileSource,
  context: string,
  excluded: PatternMatcher | undefined,
): Promise<ClassicDockerfile> {
  const { text, shown } = await readSource(source);
  const inContext = 'folder' in source ? await pathInContext(source, context) : undefined;
  if (inContext !== undefined && excluded?.matches(inContext) !== true) {
    return { path: inContext, text, shown, placed: new Map() };
  }
  const path = `.dockerfile.${createHash('sha256').update(text).digest('hex').slice(0, 20)}`;
  // One that COPY is to take stays, with a line more, as docker has it.
  const isSent = excluded?.matches('.dockerignore') !== true;
  const ignored = isSent ? await readSentIgnoreFile(context) : undefined;
  const placed = new Map([
    ['.dockerignore', Buffer.from(`${ignored ?? '.dockerignore'}\n${path}\n`)],
    [path, Buffer.from(text)],
  ]);
  return { path, text, shown, placed };
}

async function readSentIgnoreFile(context: string): Promise<string | undefined> {
  try {
    return await readFile(join(context, '.dockerignore'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw asUnreadable('.dockerignore', error);
  }
}

async function readSource(
  source: DockerfileSource,
): Promise<{ readonly text: string; readonly shown: string }> {
  if ('text' in source) return { text: source.text, shown: 'Dockerfile (stdin)' };
  const shown = join(source.folder, source.name);
  try {
    return { text: await readFile(shown, 'utf8'), shown };
  } catch (error) {
    throw new DeployerError('usage', `the Dockerfile ${shown} can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Undefined also for a link, which may lead out of the context. */
async function pathInContext(
  { folder, name }: { readonly folder: string; readonly name: string },
  context: string,
): Promise<string | undefined> {
  const path = relative(await realpath(context), join(await realpath(folder), name));
  if (path.split(sep)[0] === '..' || !(await lstat(join(folder, name))).isFile()) return undefined;
  return path.split(sep).join('/');
}
