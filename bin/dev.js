#!/usr/bin/env -S node --import tsx
// The same program from the sources, for work on it: no build, no manifest.
import { execute } from '@oclif/core';

await execute({ development: true, dir: import.meta.url });
