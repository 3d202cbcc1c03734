// Checks that everything an installation brings along may be passed on with this package.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licenceOf, productionPackages } from './third-party.mjs';

/** Permissive licences, compatible with Apache-2.0. */
const ALLOWED = new Set([
  ...['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'MIT-0'],
  ...['CC0-1.0', 'Python-2.0', 'Unlicense'],
]);

const root = fileURLToPath(new URL('..', import.meta.url));
const refused = productionPackages(root)
  .map((folder) => ({ folder, pjson: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
  .filter(({ pjson }) => !isAllowed(licenceOf(pjson)))
  .map(({ folder, pjson }) => `${relative(root, folder)}: ${licenceOf(pjson)}`);
if (refused.length > 0) {
  console.error(`licences that are not on the list in scripts/licences.mjs:\n${refused.join('\n')}`);
  process.exitCode = 1;
}

/** `MIT`, `(MIT OR GPL-2.0)`, `MIT AND ISC` */
function isAllowed(expression) {
  return expression
    .replace(/^\(|\)$/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((licence) => ALLOWED.has(licence.trim())));
}
