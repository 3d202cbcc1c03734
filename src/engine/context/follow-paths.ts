import type { Dirent } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { PatternMatcher } from './pattern-matcher.js';

/** As many links one after the other as Linux follows. */
const LINK_LIMIT = 40;

/**
 * The paths that a build's frontend asks for (the sources of its COPY instructions), and where symbolic links on
 * the way lead within the root, as a matcher.
 * @returns undefined when one of them is the root itself
 */
export async function followPaths(
  root: string,
  paths: readonly string[],
): Promise<PatternMatcher | undefined> {
  const found = new Set<string>();
  for (const path of paths) {
    const parts = partsOf(path);
    if (parts.length === 0) return undefined;
    await follow(root, [], parts, found, 0);
  }
  return new PatternMatcher([...found].map(literal));
}

async function follow(
  root: string,
  above: readonly string[],
  [part, ...rest]: readonly string[],
  found: Set<string>,
  links: number,
): Promise<void> {
  if (part === undefined) {
    found.add(above.join('/'));
    return;
  }
  if (/[*?[\\]/.test(part)) {
    const matcher = new PatternMatcher([part]);
    for (const { name } of await readFolder(join(root, ...above))) {
      if (matcher.matches(name)) await follow(root, above, [name, ...rest], found, links);
    }
    return;
  }
  const here = [...above, part];
  const target = await targetOf(join(root, ...here));
  if (target === undefined) return follow(root, here, rest, found, links);
  found.add(here.join('/'));
  if (links >= LINK_LIMIT) return;
  const from = target.startsWith('/') ? '' : above.join('/');
  await follow(root, [], [...partsOf(`${from}/${target}`), ...rest], found, links + 1);
}

/** Nothing leads above the root. */
function partsOf(path: string): string[] {
  return posix
    .normalize(`/${path}`)
    .split('/')
    .filter((part) => part !== '');
}

/** Where a symbolic link leads; undefined for all else, also for what is not there: the build will say so. */
async function targetOf(path: string): Promise<string | undefined> {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isSymbolicLink() === true ? readlink(path) : undefined;
}

async function readFolder(path: string): Promise<Dirent[]> {
  return readdir(path, { withFileTypes: true }).catch(() => []);
}

function literal(path: string): string {
  return path.replace(/[*?[\]\\]/g, '\\$&');
}
