import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { makeFolder } from '../../lib/make-folder.js';
import type { Digest } from '../../oci/digest.js';
import { DurableFiles, hasCode, ifThere, namesIn } from './durable-files.js';
import { digestOfPath, LINKS, type Layout } from './layout.js';
import { listRepositories } from './repositories.js';

const FORMAT = '1\n';

/**
 * Makes the data folder, or takes over one that a registry before left, whichever way it ended; for this process
 * alone. Returns how to give it back.
 * @throws DeployerError `usage` when the folder holds something else or another process has it
 */
export async function openDataFolder(layout: Layout): Promise<{ release(): Promise<void> }> {
  await makeFolder(layout.root).catch((error: unknown) => {
    throw new DeployerError('usage', `data folder ${layout.root} can't be made: ${messageOf(error)}`, {
      suggestions: ['name a folder that you may write to'],
      cause: error,
    });
  });
  await requireOwnFormat(layout);
  await takeLock(layout);
  await rm(layout.tempDir, { recursive: true, force: true });
  await mkdir(layout.tempDir);
  await new DurableFiles(layout.tempDir).write(layout.formatFile, FORMAT);
  for (const folder of [layout.uploadsDir, layout.blobsDir, layout.repositoriesDir]) {
    await makeFolder(folder);
  }
  return { release: () => rm(layout.lockFile, { force: true }) };
}

/** What is not a registry's must not be swept by it. */
async function requireOwnFormat(layout: Layout): Promise<void> {
  const format = await ifThere(readFile(layout.formatFile, 'utf8'));
  if (format === FORMAT) return;
  // A first start that was killed may have come as far as these two.
  const early = [layout.lockFile, layout.tempDir].map((path) => basename(path));
  const strangers = (await readdir(layout.root)).filter((name) => !early.includes(name));
  if (strangers.length > 0) {
    const what = format === undefined ? 'is not empty, and' : 'is of another version, and so';
    throw new DeployerError('usage', `data folder ${layout.root} ${what} not a registry's`, {
      suggestions: ['name an empty or new folder'],
    });
  }
}

async function takeLock(layout: Layout): Promise<void> {
  const holder = Number(await ifThere(readFile(layout.lockFile, 'utf8')));
  // A process that was killed leaves its lock; in a container the next one often gets the very same pid.
  if (holder > 0 && holder !== process.pid && isAlive(holder)) throw inUse(layout, holder);
  await rm(layout.lockFile, { force: true });
  try {
    const file = await open(layout.lockFile, 'wx');
    await file.writeFile(`${process.pid}\n`).finally(() => file.close());
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw inUse(layout, undefined);
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

function inUse(layout: Layout, pid: number | undefined): DeployerError {
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new DeployerError('usage', `data folder ${layout.root} is in use by ${holder}`, {
    suggestions: [
      'start it on a folder and ports of its own: --data-dir DIR --registry-port 0 --api-port 0',
      `if no emulator runs there: rm '${layout.lockFile}'`,
    ],
  });
}

/**
 * Frees the content that no repository links to any more. Only while no request is served: content is put in place
 * before it is linked.
 * @returns the number of contents freed
 */
export async function freeUnlinkedContent(layout: Layout): Promise<number> {
  const linked = new Set<Digest>();
  for await (const name of listRepositories(layout)) {
    for (const links of Object.values(LINKS)) {
      for await (const digest of digestsIn(join(layout.repositoryDir(name), links))) linked.add(digest);
    }
  }
  let freed = 0;
  for await (const digest of contents(layout)) {
    if (linked.has(digest)) continue;
    await rm(layout.content(digest));
    freed += 1;
  }
  return freed;
}

/** From the files FOLDER/ALGORITHM/ENCODED. */
async function* digestsIn(folder: string): AsyncGenerator<Digest> {
  for (const algorithm of await namesIn(folder)) {
    for (const encoded of await namesIn(join(folder, algorithm))) {
      const digest = digestOfPath(algorithm, encoded);
      if (digest !== undefined) yield digest;
    }
  }
}

/** From the files FOLDER/ALGORITHM/XX/ENCODED. */
async function* contents(layout: Layout): AsyncGenerator<Digest> {
  for (const algorithm of await namesIn(layout.blobsDir)) {
    for (const prefix of await namesIn(join(layout.blobsDir, algorithm))) {
      for (const encoded of await namesIn(join(layout.blobsDir, algorithm, prefix))) {
        const digest = digestOfPath(algorithm, encoded);
        if (digest !== undefined && encoded.startsWith(prefix)) yield digest;
      }
    }
  }
}
