// Runs bin/run.js, and at its end writes V8's code of each chunk that was loaded beside it. Functions that have run
// are in it compiled; a cache that was there is added to.
'use strict';

const { writeFileSync } = require('node:fs');
const vm = require('node:vm');

const scripts = new Map();
vm.Script = class extends vm.Script {
  constructor(source, options) {
    super(source, options);
    scripts.set(options.filename, this);
  }
};
process.on('exit', () => {
  for (const [file, script] of scripts) writeFileSync(`${file}.cache`, script.createCachedData());
});
require('../bin/run.js');
