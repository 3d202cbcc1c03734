#!/usr/bin/env node
// Starts the bundle that scripts/build.mjs makes. CommonJS, and the chunks through V8's code cache: together they
// halve what the program adds to Node's own start.
'use strict';

const { existsSync, readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { name, version } = require('../package.json');

const BUNDLE = join(__dirname, '..', 'dist', 'bundle');

/** Modules of Node that chunks import and most runs never touch. */
const RARELY_USED = new Set(['node:child_process', 'node:dns', 'node:fs/promises', 'node:readline']);

const argv = process.argv.slice(2);

if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) {
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') process.exitCode = 13;
  });
  // As oclif's `userAgent` has it, without loading oclif.
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`);
} else {
  start();
}

function start() {
  const main = join(BUNDLE, 'main.js');
  if (!existsSync(main)) {
    process.stderr.write(`${main} is not there; in a checkout: npm run build\n`);
    process.exitCode = 1;
    return;
  }
  const load = loader();
  load(main).runBundle(argv, BUNDLE, load);
}

function loader() {
  if (codeCacheVersion() === process.versions.v8) return cachedLoader();
  // Made by another V8. From 22.1 on Node keeps a cache of its own, in the user's temp folder.
  require('node:module').enableCompileCache?.();
  return require;
}

/** Which V8 the build's code cache is for; undefined: it made none. */
function codeCacheVersion() {
  try {
    return readFileSync(join(BUNDLE, 'code-cache-version'), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** `require` for the bundle's chunks, through their code cache. What V8 does not take it compiles, silently. */
function cachedLoader() {
  const { Script } = require('node:vm');
  const modules = new Map();
  return function load(file) {
    const known = modules.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const source = readFileSync(file, 'utf8');
    const wrapped = `(function(exports,require,module,__filename,__dirname){${source}\n})`;
    const script = new Script(wrapped, { filename: file, cachedData: readFileSync(`${file}.cache`) });
    const folder = dirname(file);
    // Chunks name each other by relative path, and oclif a command by absolute path; all else is Node's own.
    const requireFrom = (id) => {
      if (id.startsWith(BUNDLE)) return load(id);
      if (id.startsWith('.')) return load(join(folder, id));
      return RARELY_USED.has(id) ? atFirstUse(id) : require(id);
    };
    script.runInThisContext().call(module.exports, module.exports, requireFrom, module, file, folder);
    return module.exports;
  };
}

/** Stands for the module until something of it is asked for. */
function atFirstUse(id) {
  return new Proxy(
    {},
    {
      get: (_, name) => require(id)[name],
      has: (_, name) => name in require(id),
      ownKeys: () => Reflect.ownKeys(require(id)),
      getOwnPropertyDescriptor: (_, name) => ({
        ...Reflect.getOwnPropertyDescriptor(require(id), name),
        configurable: true,
      }),
    },
  );
}
