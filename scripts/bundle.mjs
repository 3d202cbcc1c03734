// Bundles the program into dist/bundle: CommonJS chunks, each command and each heavy module one of its own, an oclif
// root with its own manifest, V8's code cache, and the licences of what went in.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, transformSync } from 'esbuild';
import llhttp from 'undici/lib/llhttp/constants.js';
import withoutSimd from 'undici/lib/llhttp/llhttp-wasm.js';
import withSimd from 'undici/lib/llhttp/llhttp_simd-wasm.js';
import { makeCodeCache } from './code-cache.mjs';
import { readManifest } from './plugin-manifest.mjs';
import { licenceTexts } from './third-party.mjs';

/** Optional parts that their users look for in a try block; none is needed. */
const LEFT_OUT = ['ts-node', 'typescript', 'cpu-features', '*.node'];

const TARGET = 'node20';

/** @param {string} root the project's folder, with src/ */
export async function bundle(root) {
  const outdir = join(root, 'dist/bundle');
  const commands = readdirSync(join(root, 'src/commands'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/commands/${name}`);
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts', 'printing', ...commands].map((file) => ({
      in: file,
      out: chunkName(file),
    })),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: TARGET,
    external: [...LEFT_OUT, './printing.js'],
    plugins: [slimModules()],
    inject: ['scripts/monotonic-clock.js'],
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  for (const { path, text } of result.outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, asCommonJs(text));
  }
  for (const [name, bytes] of Object.entries(WASM)) writeFileSync(join(outdir, name), bytes);
  writeFileSync(join(outdir, 'metafile.json'), JSON.stringify(result.metafile));
  writeFileSync(join(outdir, 'THIRD-PARTY-LICENSES.txt'), licenceTexts(Object.keys(result.metafile.inputs)));
  await writeOclifRoot(root, outdir);
  await makeCodeCache(root);
}

/** `src/cli/main.ts` -> `main`, `src/commands/image/inspect.ts` -> `commands/image/inspect` */
function chunkName(file) {
  return file.replace(/^src\/(?:cli\/)?/, '').replace(/\.ts$/, '');
}

/**
 * esbuild splits ES modules alone; this makes CommonJS of a chunk. Its names stay, for stack traces that a person
 * can read.
 */
function asCommonJs(code) {
  const { code: converted } = transformSync(code, {
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    minifyWhitespace: true,
    minifySyntax: true,
    // import() of another chunk becomes require(), so that it goes through bin/run.js's loader.
    supported: { 'dynamic-import': false },
  });
  return converted;
}

/**
 * What a file gets in place of a module that would be loaded at each start, or in each request, and of which it
 * hardly uses a thing.
 */
const UNDICI = /\/node_modules\/undici\//;
const UNDICI_CORE = /\/node_modules\/undici\/lib\/core\/(?:util|request)\.js$/;
const OCLIF = /\/node_modules\/@oclif\/core\//;
const DOCKERODE = /\/node_modules\/(?:dockerode|docker-modem)\//;

/** undici's parser, for processors with and without SIMD. As Base64 in its chunk both would be read at each start. */
const WASM = { 'llhttp_simd.wasm': withSimd, 'llhttp.wasm': withoutSimd };
const fileOf = (name) => `require('node:fs').readFileSync(require('node:path').join(__dirname, '${name}'))`;

/** A chunk of its own, for any other: bin/run.js's loader is at hand there as `require`. */
const PRINTING = "require('./printing.js')";

const SLIMMED = [
  {
    // undici's index evaluates all that it has: fetch, WebSocket, caches, mocks.
    module: 'undici',
    importer: /\/src\/http\/dispatchers\.ts$/,
    contents: `
      import connect from 'undici/lib/api/api-connect.js';
      import request from 'undici/lib/api/api-request.js';
      import Agent from 'undici/lib/dispatcher/agent.js';
      import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
      import buildConnector from 'undici/lib/core/connect.js';
      Object.assign(Dispatcher.prototype, { connect, request });
      export { Agent, buildConnector };
      // Evaluated where there is a proxy.
      export const ProxyAgent = function (options) {
        const ProxyAgent = require('undici/lib/dispatcher/proxy-agent.js');
        return new ProxyAgent(options);
      };`,
  },
  {
    // undici parses HTTP with WebAssembly. V8 would compile that a second time, optimised, on the first answer, and Node
    // waits for it at the end: 100 ms for nothing in a process that reads a few answers. The budget until it does so is
    // taken when the module is made, right after this; with any flag but its own V8 takes no code cache, not even of
    // Node's modules, so it is put back at once. What it is put back to is V8's own: other versions are left alone.
    module: '../llhttp/llhttp_simd-wasm.js',
    importer: UNDICI,
    contents: `
      const budget = { 20: 1_800_000, 22: 13_000_000, 24: 13_000_000 }[process.versions.node.split('.')[0]];
      if (budget !== undefined) {
        const { setFlagsFromString } = require('node:v8');
        setFlagsFromString('--wasm-tiering-budget=2000000000');
        process.nextTick(setFlagsFromString, '--wasm-tiering-budget=' + budget);
      }
      module.exports = ${fileOf('llhttp_simd.wasm')}`,
  },
  {
    module: '../llhttp/llhttp-wasm.js',
    importer: UNDICI,
    contents: `module.exports = ${fileOf('llhttp.wasm')}`,
  },
  {
    // 12 ms for node:http2. Off unless asked for.
    module: './client-h2.js',
    importer: UNDICI,
    contents: "module.exports = () => { throw new Error('HTTP/2 is not in this bundle') }",
  },
  {
    // A hundred kilobytes that are read at each start. For bodies that are forms, which none is here.
    module: '../web/fetch/body.js',
    importer: UNDICI,
    contents: "exports.extractBody = () => { throw new Error('FormData is not in this bundle') }",
  },
  {
    // 1 ms. undici asks it whether a value is true, no more.
    module: 'node:assert',
    importer: UNDICI,
    contents: `
      module.exports = (value, message = 'an assertion of undici failed') => {
        if (!value) throw message instanceof Error ? message : new Error(message);
      };`,
  },
  {
    // 8 ms. Tells a body that is a server's request, which none is here; and the most bytes of headers, Node's default.
    module: 'node:http',
    importer: UNDICI,
    contents: 'module.exports = { IncomingMessage: class {}, maxHeaderSize: 16 * 1024 }',
  },
  {
    // 1 ms, for tables of what a parser knows: its methods, statuses, characters. undici reads these two.
    module: '../llhttp/constants.js',
    importer: UNDICI,
    contents: `module.exports = ${JSON.stringify({ ERROR: llhttp.ERROR, TYPE: llhttp.TYPE })}`,
  },
  // 1 ms, for a search tree of the usual headers' names and a table of them. They save undici a toLowerCase().
  ...[
    ['./tree', 'exports.tree = { lookup: () => undefined }'],
    ['./constants', 'exports.headerNameLowerCasedRecord = { __proto__: null }'],
  ].map(([module, contents]) => ({ module, contents, importer: UNDICI_CORE })),
  // 90 ms and a megabyte for gRPC and SSH: dockerode's own sessions and builds, and its own way over SSH, of which
  // nothing is used here (src/engine has its own).
  ...['./ssh', './session', './buildkit', 'tar-fs', '@balena/dockerignore'].map((module) => ({
    module,
    importer: DOCKERODE,
    contents: `module.exports = () => { throw new Error('${module} of dockerode is not in this bundle') }`,
  })),
  // The bundle is handed to oclif as a plugin that is loaded already (src/cli/bundled-plugin.ts), without hooks, help or
  // topics in files of their own: what oclif looks for such things with is not needed.
  ...[
    ['./plugin', 'export class Plugin {}'],
    ['minimatch', 'export const minimatch = undefined'],
    ['../module-loader', 'module.exports = {}'],
    ['./ts-path', 'module.exports = {}'],
    ['../config/ts-path', 'module.exports = {}'],
    // 3 ms, for errors that oclif prints, templates and themes: loaded when there is one.
    ['ansis', `module.exports = { __esModule: true, get default() { return ${PRINTING}.ansis; } }`],
    ['clean-stack', `module.exports = (...args) => ${PRINTING}.cleanStack(...args)`],
    ['ejs', `exports.render = (...args) => ${PRINTING}.ejs.render(...args)`],
    ['wrap-ansi', `module.exports = (...args) => ${PRINTING}.wrapAnsi(...args)`],
  ].map(([module, contents]) => ({ module, contents, importer: OCLIF })),
  {
    module: 'printing',
    importer: /^$/,
    contents: `
      export { default as ansis } from 'ansis';
      export { default as cleanStack } from 'clean-stack';
      export { default as ejs } from 'ejs';
      export { default as wrapAnsi } from 'wrap-ansi';`,
  },
  // Help, loaded when it is asked for.
  ...[
    ['./help', /\/@oclif\/core\/lib\/(?:main|flags)\.js$/],
    ['../help/index', /\/@oclif\/core\/lib\/errors\/handle\.js$/],
  ].map(([module, importer]) => ({
    module,
    importer,
    contents: `
      export { getHelpFlagAdditions, normalizeArgv } from './node_modules/@oclif/core/lib/help/util.js';
      const load = async () => (await import('./node_modules/@oclif/core/lib/help/index.js')).default;
      export const loadHelpClass = async (config) => (await load()).loadHelpClass(config);
      export class Help {
        constructor(...args) {
          this.shown = async (argv) => new (await load()).Help(...args).showHelp(argv);
        }
        showHelp(argv) {
          return this.shown(argv);
        }
      }`,
  })),
  {
    // Nothing here spins by oclif's hand.
    module: './action/spinner',
    importer: OCLIF,
    contents: "export { default } from './node_modules/@oclif/core/lib/ux/action/simple.js'",
  },
  {
    // 6 ms, for terminals' sake, where nobody asked for it.
    module: 'debug',
    importer: new RegExp(`${OCLIF.source}|${DOCKERODE.source}`),
    contents: `
      const silent = Object.assign(() => undefined, { enabled: false });
      module.exports = process.env.DEBUG ? require('debug') : () => silent;`,
  },
  {
    // 3 ms, with node:net, which loads it all: asked whether stdout and stderr are terminals.
    module: 'tty',
    importer: /\/node_modules\/supports-color\//,
    contents: 'exports.isatty = (fd) => (fd === 1 ? process.stdout : process.stderr).isTTY === true',
  },
  {
    // 3 ms. Its marks are made when a developer asks for them alone.
    module: 'node:perf_hooks',
    importer: OCLIF,
    contents: 'module.exports = { get performance() { return globalThis.performance; } }',
  },
  {
    // 5 ms. oclif reads one small file, if it is there.
    module: 'node:fs/promises',
    importer: OCLIF,
    contents: `
      import { readFileSync, statSync } from 'node:fs';
      export const readFile = async (...args) => readFileSync(...args);
      export const stat = async (...args) => statSync(...args);`,
  },
  {
    // What oclif asks at each start. To \`--version\` WSL is the Linux that it is, as in bin/run.js.
    module: 'wsl-utils',
    importer: OCLIF,
    contents: `
      export const isWsl = false;
      export const powerShellPath = async () => (await import('wsl-utils')).powerShellPath();`,
  },
];

function slimModules() {
  return {
    name: 'slim-modules',
    setup({ onResolve, onLoad, initialOptions }) {
      const namespace = 'slim';
      for (const { module, importer } of SLIMMED) {
        onResolve({ filter: new RegExp(`^${module.replaceAll('.', '\\.')}$`) }, (found) =>
          found.namespace !== namespace && importer.test(found.importer)
            ? { path: module, namespace }
            : undefined,
        );
      }
      onLoad({ filter: /.*/, namespace }, ({ path }) => ({
        contents: SLIMMED.find(({ module }) => module === path).contents,
        resolveDir: initialOptions.absWorkingDir,
      }));
      onResolve({ filter: /^undici$/ }, () => ({
        errors: [{ text: 'the bundle has of undici what src/http/dispatchers.ts uses (scripts/bundle.mjs)' }],
      }));
    },
  };
}

/** The bundle is an oclif root beside the package's own: the same commands, from its chunks. */
async function writeOclifRoot(root, outdir) {
  const { name, version, description, license, oclif } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const pjson = {
    name,
    version,
    description,
    license,
    type: 'commonjs',
    oclif: { ...oclif, commands: './commands' },
  };
  writeFileSync(join(outdir, 'package.json'), JSON.stringify(pjson));
  writeFileSync(
    join(outdir, 'oclif.manifest.json'),
    JSON.stringify(await readManifest(outdir, './commands')),
  );
}
