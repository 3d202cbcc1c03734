#!/usr/bin/env -S node --import tsx
// The same program from the sources, for work on it: no build, no manifest.
'use strict';

const { join } = require('node:path');

void main();

async function main() {
  process.env.NODE_ENV = 'development';
  const [{ Plugin }, { settings }, { run }] = await Promise.all([
    import('@oclif/core/config'),
    import('@oclif/core/settings'),
    import('../src/cli/main.ts'),
  ]);
  settings.enableAutoTranspile = false; // tsx is on already

  const root = join(__dirname, '..');
  const pjson = structuredClone(require('../package.json'));
  pjson.oclif.commands = './src/commands';
  const plugin = new Plugin({ isRoot: true, root, pjson, ignoreManifest: true });
  await plugin.load();
  await run(process.argv.slice(2), { root, plugins: new Map([[plugin.name, plugin]]) });
}
