import { join } from 'node:path';
import { namesIn } from './durable-files.js';
import { LINKS, type Layout } from './layout.js';
import { isRepositoryName, type RepositoryName } from './names.js';

/** All repositories, in no order. */
export async function* listRepositories(layout: Layout): AsyncGenerator<RepositoryName> {
  yield* below(layout.repositoriesDir, '');
}

/** Whether something was ever pushed there. */
export async function isRepository(folder: string): Promise<boolean> {
  const names = await namesIn(folder);
  return names.some(isLinksFolder);
}

async function* below(folder: string, prefix: string): AsyncGenerator<RepositoryName> {
  const names = await namesIn(folder);
  const name = prefix.slice(0, -1);
  if (names.some(isLinksFolder) && isRepositoryName(name)) yield name;
  for (const child of names.filter((entry) => !entry.startsWith('_'))) {
    yield* below(join(folder, child), `${prefix}${child}/`);
  }
}

function isLinksFolder(name: string): boolean {
  return name === LINKS.blobs || name === LINKS.manifests;
}
