import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The npm package that a file belongs to: its folder and package.json. Undefined for the project's own files.
 * @param {string} file a path with `node_modules/` in it, or not
 */
export function packageOf(file) {
  const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
  if (folder === undefined) return undefined;
  return { folder, pjson: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) };
}

/** The SPDX expression that a package.json declares, in its present or its old forms. */
export function licenceOf(pjson) {
  const { license, licenses } = pjson;
  if (typeof license === 'string') return license;
  if (typeof license?.type === 'string') return license.type;
  return Array.isArray(licenses) ? licenses.map(({ type }) => type).join(' OR ') : 'unknown';
}

/** The texts that the licences of these files' packages ask to be passed on with them. */
export function licenceTexts(files) {
  const packages = new Map();
  for (const file of files) {
    const found = packageOf(file);
    if (found) packages.set(`${found.pjson.name} ${found.pjson.version}`, found);
  }
  return [...packages]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, { folder, pjson }]) => `${title} (${licenceOf(pjson)})\n\n${licenceText(folder)}\n`)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function licenceText(folder) {
  const names = readdirSync(folder).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  if (names.length > 0) {
    return names
      .sort()
      .map((name) => readFileSync(join(folder, name), 'utf8').trim())
      .join('\n\n');
  }
  // Some packages state theirs in the readme alone.
  const readme = readdirSync(folder).find((name) => /^readme/i.test(name));
  const text = readme === undefined ? '' : readFileSync(join(folder, readme), 'utf8');
  return (/^#+\s*licen[cs]e[\s\S]*/im.exec(text)?.[0] ?? 'No licence text in the package.').trim();
}

/** The folders of all packages that an installation without the development ones has, from npm's lock file. */
export function productionPackages(root) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && entry.dev !== true && entry.devOptional !== true)
    .map(([path]) => join(root, path))
    .filter((folder) => existsSync(folder) && dirname(folder) !== root);
}
