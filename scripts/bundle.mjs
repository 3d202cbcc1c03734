// Bundles the program into dist/bundle: CommonJS chunks, each command and each heavy module one of its own, an oclif
// root with its own manifest, V8's code cache, and the licences of what went in.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build, transformSync } from 'esbuild';
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
    entryPoints: ['src/cli/main.ts', ...commands].map((file) => ({ in: file, out: chunkName(file) })),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: TARGET,
    external: LEFT_OUT,
    plugins: [slimModules()],
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  for (const { path, text } of result.outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, asCommonJs(text));
  }
  writeFileSync(join(outdir, 'metafile.json'), JSON.stringify(result.metafile));
  writeFileSync(join(outdir, 'THIRD-PARTY-LICENSES.txt'), licenceTexts(Object.keys(result.metafile.inputs)));
  await writeOclifRoot(root, outdir);
  const chunks = result.outputFiles.map(({ path }) => path);
  await makeCodeCache(root, chunks);
}

/** `src/cli/main.ts` -> `main`, `src/commands/image/inspect.ts` -> `commands/image/inspect` */
function chunkName(file) {
  return relative('src', file)
    .replace(/^cli\//, '')
    .replace(/\.ts$/, '');
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
const SLIMMED = [
  {
    // undici's index evaluates all that it has: fetch, WebSocket, caches, mocks.
    module: 'undici',
    importer: /\/src\/http\/dispatchers\.ts$/,
    contents: `
      import api from 'undici/lib/api/index.js';
      import Agent from 'undici/lib/dispatcher/agent.js';
      import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
      import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js';
      import buildConnector from 'undici/lib/core/connect.js';
      Object.assign(Dispatcher.prototype, api);
      export { Agent, ProxyAgent, buildConnector };`,
  },
  {
    // 12 ms. Off unless asked for; undici does without where Node was built without.
    module: 'node:http2',
    importer: /\/node_modules\/undici\//,
    contents: 'throw new Error("HTTP/2 is not in this bundle")',
  },
  {
    // 8 ms. Tells a body that is a server's request, which none is here; and the most bytes of headers, Node's default.
    module: 'node:http',
    importer: /\/node_modules\/undici\//,
    contents: 'module.exports = { IncomingMessage: class {}, maxHeaderSize: 16 * 1024 }',
  },
  {
    // oclif asks it at each start whether this is WSL, and on Windows for PowerShell's path.
    module: 'wsl-utils',
    importer: /\/node_modules\/@oclif\/core\//,
    contents: `
      export { default as isWsl } from 'is-wsl';
      export const powerShellPath = async () => (await import('wsl-utils')).powerShellPath();`,
  },
];

function slimModules() {
  return {
    name: 'slim-modules',
    setup({ onResolve, onLoad, initialOptions }) {
      const namespace = 'slim';
      for (const { module, importer } of SLIMMED) {
        onResolve({ filter: new RegExp(`^${module}$`) }, (found) =>
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
