#!/usr/bin/env node
// Starts the bundle that scripts/build.mjs makes. CommonJS, and the chunks through V8's code cache: together they
// halve what the program adds to Node's own start.
'use strict';

const { existsSync, readFileSync } = require('node:fs');
const { dirname, join, sep } = require('node:path');

const BUNDLE = join(__dirname, '..', 'dist', 'bundle');

/** Modules of Node that chunks import and most runs never touch, or late. */
const RARELY_USED = new Set([
  'node:child_process',
  'node:crypto',
  'node:dns',
  'node:fs/promises',
  'node:readline',
  'node:stream/promises',
  'node:timers/promises',
  'node:zlib',
]);

const argv = process.argv.slice(2);

if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) {
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') process.exitCode = 13;
  });
  const { name, version } = require('../package.json');
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
  const { v8, packs = {} } = codeCache();
  if (v8 === process.versions.v8) return chunkLoader(packs, openCached);
  // The code was compiled by another V8. From 22.1 on Node keeps a cache of its own, in the user's temp folder, of what
  // is loaded by its `require`: of two packs sooner than of their fifty chunks.
  require('node:module').enableCompileCache?.();
  return chunkLoader(packs, require);
}

/** Which V8 the build's code cache is for, and in which pack a chunk is; empty: the build made none. */
function codeCache() {
  try {
    return JSON.parse(readFileSync(join(BUNDLE, 'code-cache.json'), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}

/**
 * `require` for the bundle's chunks.
 * @param openPack gives the chunks' functions, by name
 */
function chunkLoader(packs, openPack) {
  const modules = new Map();
  const opened = new Map();

  return function load(file) {
    const known = modules.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const folder = dirname(file);
    // Chunks name each other by relative path, and oclif a command by absolute path; all else is Node's own.
    const requireFrom = (id) => {
      if (id.startsWith(BUNDLE)) return load(id);
      // Nothing to resolve among neighbours, which most are: to `join` hundreds of times takes a millisecond.
      if (id.startsWith('./')) return load(`${folder}${sep}${id.slice(2)}`);
      if (id.startsWith('.')) return load(join(folder, id));
      return RARELY_USED.has(id) ? atFirstUse(id) : require(id);
    };
    const name = file.slice(BUNDLE.length + 1);
    const body = name in packs ? packed(packs[name])[name] : alone(file);
    body.call(module.exports, module.exports, requireFrom, module, file, folder);
    return module.exports;
  };

  /** One file to read and one cache, where each chunk would have its own. */
  function packed(pack) {
    if (!opened.has(pack)) opened.set(pack, openPack(join(BUNDLE, pack)));
    return opened.get(pack);
  }
}

/** Through the code cache. What V8 does not take of it it compiles, silently. */
function openCached(filename) {
  const cachedData = readFileSync(`${filename}.cache`);
  // As it was written: UTF-8 takes Node three times as long to read.
  const source = readFileSync(filename, 'latin1');
  return new (require('node:vm').Script)(source, { filename, cachedData }).runInThisContext();
}

/** A chunk that is in no pack. */
function alone(filename) {
  const source = readFileSync(filename, 'utf8');
  const wrapped = `(function(exports,require,module,__filename,__dirname){${source}\n})`;
  return new (require('node:vm').Script)(wrapped, { filename }).runInThisContext();
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
