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
    plugins: [slimUndici()],
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
 * Of undici only what src/http uses: its index evaluates everything else too, fetch, WebSocket, caches and mocks.
 * HTTP/2, which is off unless asked for, costs 12 ms to load; undici does without where Node was built without.
 */
function slimUndici() {
  const user = 'src/http/dispatchers.ts';
  const contents = `
    import api from 'undici/lib/api/index.js';
    import Agent from 'undici/lib/dispatcher/agent.js';
    import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
    import EnvHttpProxyAgent from 'undici/lib/dispatcher/env-http-proxy-agent.js';
    Object.assign(Dispatcher.prototype, api);
    export { Agent, EnvHttpProxyAgent };`;
  return {
    name: 'slim-undici',
    setup({ onResolve, onLoad, initialOptions }) {
      const root = initialOptions.absWorkingDir;
      onResolve({ filter: /^undici$/ }, ({ importer }) =>
        relative(root, importer) === user
          ? { path: 'undici', namespace: 'slim' }
          : {
              errors: [
                { text: `the bundle's undici has what ${user} uses, nothing else (scripts/bundle.mjs)` },
              ],
            },
      );
      onLoad({ filter: /^undici$/, namespace: 'slim' }, () => ({ contents, resolveDir: root }));
      onResolve({ filter: /^node:http2$/ }, ({ importer }) =>
        importer.includes('/node_modules/undici/') ? { path: 'http2', namespace: 'slim' } : undefined,
      );
      onLoad({ filter: /^http2$/, namespace: 'slim' }, () => ({
        contents: 'throw new Error("HTTP/2 is not in this bundle")',
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
