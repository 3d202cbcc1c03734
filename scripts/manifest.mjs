// Writes oclif.manifest.json, from which a host CLI knows this plugin's commands without loading them. With --check
// it only tells whether the file is up to date. Needs a build.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { readManifest } from './plugin-manifest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const file = join(root, 'oclif.manifest.json');

const manifest = await readManifest(root, './dist/commands');
const text = await format(JSON.stringify(manifest), { ...(await resolveConfig(file)), parser: 'json' });
if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('oclif.manifest.json is not what the commands say: npm run build && npm run manifest');
  process.exitCode = 1;
}
