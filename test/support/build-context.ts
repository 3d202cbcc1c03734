import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeTempFolder, type TempFolder } from './temp-folder.js';

/** A folder to build from, with these files. */
export async function makeContext(files: Readonly<Record<string, string | Buffer>>): Promise<TempFolder> {
  const folder = await makeTempFolder('context');
  await writeFiles(folder.path, files);
  return folder;
}

export async function writeFiles(
  root: string,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
}
