import { lstat, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { INDEX_FILE } from '../../oci/layout.js';

/** A layout that a copy begins, with what it has made of it: all that it takes back when it does not come to its end. */
export class NewLayout {
  /** Files below the folder. */
  readonly made: string[] = [];
  readonly #folder: string;
  readonly #top: string | undefined;

  /** @param top the highest of the folders that the copy has to make, if any */
  constructor(folder: string, top: string | undefined) {
    this.#folder = resolve(folder);
    this.#top = top;
  }

  /** Takes nothing away that another has put there, nor what another's image there may name. */
  async takeBack(): Promise<void> {
    if (await isThere(join(this.#folder, INDEX_FILE))) return;
    const folders = new Set<string>();
    for (const path of this.made.splice(0)) {
      const name = join(this.#folder, path);
      await rm(name, { force: true }).catch(() => undefined);
      for (let above = dirname(name); above !== this.#folder; above = dirname(above)) folders.add(above);
    }
    for (const algorithm of ['sha256', 'sha512']) folders.add(join(this.#folder, 'blobs', algorithm));
    folders.add(join(this.#folder, 'blobs'));
    const deepestFirst = [...folders].sort((a, b) => b.length - a.length);
    for (const folder of [...deepestFirst, ...this.#above()]) await rmdir(folder).catch(() => undefined);
  }

  /** The folder and those above it that were made for it, lowest first. */
  #above(): string[] {
    if (this.#top === undefined) return [];
    const found: string[] = [];
    for (let folder = this.#folder; found.at(-1) !== this.#top; folder = dirname(folder)) found.push(folder);
    return found;
  }
}

/** The highest folder that has to be made before `folder` is there; undefined where it is. */
export async function highestMissing(folder: string): Promise<string | undefined> {
  let missing: string | undefined;
  for (let at = resolve(folder); !(await isThere(at)) && dirname(at) !== at; at = dirname(at)) missing = at;
  return missing;
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
