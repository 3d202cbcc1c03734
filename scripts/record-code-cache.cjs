// Runs bin/run.js; at its end lists the bundle's files that were loaded, into the file that the first argument names, and
// writes V8's code of each pack beside it. Functions that have run are in it compiled; a cache that was there is added to.
'use strict';

const { writeFileSync } = require('node:fs');
const { join, relative } = require('node:path');
const vm = require('node:vm');

const BUNDLE = join(__dirname, '..', 'dist', 'bundle');
const [list] = process.argv.splice(2, 1);

const scripts = new Map();
vm.Script = class extends vm.Script {
  constructor(source, options) {
    super(source, options);
    scripts.set(options.filename, this);
  }
};
process.on('exit', () => {
  for (const [file, script] of scripts)
    if (file.endsWith('.pack.js')) writeFileSync(`${file}.cache`, script.createCachedData());
  writeFileSync(list, JSON.stringify([...scripts.keys()].map((file) => relative(BUNDLE, file))));
});
require('../bin/run.js');
