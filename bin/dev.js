#!/usr/bin/env -S node --import tsx
// The same program from the sources, for work on it: no build, no manifest.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Plugin } from '@oclif/core/config';
import { settings } from '@oclif/core/settings';
import { run } from '../src/cli/main.ts';

process.env.NODE_ENV = 'development';
settings.enableAutoTranspile = false; // tsx is on already

const root = fileURLToPath(new URL('..', import.meta.url));
const pjson = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
pjson.oclif.commands = './src/commands';
const plugin = new Plugin({ isRoot: true, root, pjson, ignoreManifest: true });
await plugin.load();
await run(process.argv.slice(2), { root, plugins: new Map([[plugin.name, plugin]]) });
