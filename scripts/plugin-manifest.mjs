import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Plugin } from '@oclif/core/config';

/**
 * What oclif.manifest.json says of the commands under `folder`, read from the commands themselves.
 * @param {string} root the package's folder
 * @param {string} commands relative to it, `./dist/commands`
 */
export async function readManifest(root, commands) {
  const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  pjson.oclif.commands = commands;
  const plugin = new Plugin({
    root,
    pjson,
    isRoot: true,
    type: 'core',
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  const byId = Object.entries(plugin.manifest.commands).sort(([a], [b]) => (a < b ? -1 : 1));
  return { commands: Object.fromEntries(byId), version: plugin.manifest.version };
}
