#!/usr/bin/env -S node --import tsx
// The same program from the sources, for work on it: no build, no manifest.
import { settings } from '@oclif/core/settings';
import { run } from '../src/cli/main.ts';

process.env.NODE_ENV = 'development';
settings.debug = true;
await run(process.argv.slice(2), import.meta.url);
