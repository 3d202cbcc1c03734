import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs the bundle a few times, packs the chunks that are loaded together into one file, and keeps the code that V8
 * compiled beside each pack. Without it the program works all the same, only its start is slower: so a failure here is
 * told and ends nothing.
 * @param {string} root the project's folder
 */
export async function makeCodeCache(root) {
  const folder = join(root, 'dist/bundle');
  const registry = await startRegistry();
  const home = mkdtempSync(join(tmpdir(), 'deployer-build-'));
  const inspect = ['image', 'inspect', `127.0.0.1:${registry.address().port}/warm-up/image:v1`];
  try {
    tell(folder, {});
    const forHelp = await loadedBy(root, home, ['--help']);
    const forInspect = await loadedBy(root, home, inspect);
    const packs = {};
    for (const [pack, chunks] of Object.entries({
      'start.pack.js': forHelp.filter((chunk) => forInspect.includes(chunk)),
      'help.pack.js': forHelp.filter((chunk) => !forInspect.includes(chunk)),
      'registry.pack.js': forInspect.filter((chunk) => !forHelp.includes(chunk)),
    })) {
      writePack(folder, pack, chunks);
      for (const chunk of chunks) packs[chunk] = pack;
    }
    tell(folder, packs);
    // inspect once more than above: by now the challenge is remembered.
    for (const args of [['--help'], inspect, ['image', 'inspect', '--help']])
      await loadedBy(root, home, args);
  } catch (error) {
    rmSync(join(folder, 'code-cache.json'), { force: true });
    console.error(`build: no code cache, the program will start slower: ${error.message}`);
  } finally {
    registry.close();
    rmSync(home, { recursive: true, force: true });
  }
}

/** For bin/run.js. */
function tell(folder, packs) {
  writeFileSync(join(folder, 'code-cache.json'), JSON.stringify({ v8: process.versions.v8, packs }));
}

/**
 * The chunks' functions by name: what the script evaluates to, and what `require` gives, where another V8 runs it. In
 * ASCII, since bin/run.js reads it as Latin-1, and `require` as UTF-8.
 */
function writePack(folder, pack, chunks) {
  const functions = chunks.map((chunk) => {
    const code = readFileSync(join(folder, chunk), 'utf8');
    return `${JSON.stringify(chunk)}:function(exports,require,module,__filename,__dirname){${code}\n}`;
  });
  const text = `(typeof module==='undefined'?{}:module).exports={${functions.join(',\n')}}`;
  writeFileSync(join(folder, pack), inAscii(text));
  // bin/run.js wants a cache; an empty one is refused by V8.
  writeFileSync(join(folder, `${pack}.cache`), '');
}

/** esbuild escapes what is not ASCII, but for regular expressions. */
function inAscii(code) {
  return code.replace(/(\\?)([^\0-\x7f])/g, (_, backslash, character) => {
    // It would be escaped itself then.
    if (backslash !== '') throw new Error('a character that is not ASCII stands behind a backslash');
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** @returns the bundle's files that were loaded; of packs the code that was compiled is kept */
async function loadedBy(root, home, args) {
  const list = join(home, 'loaded.json');
  await record(root, home, [list, ...args]);
  return JSON.parse(readFileSync(list, 'utf8'));
}

async function record(root, home, args) {
  const child = spawn(process.execPath, [join(root, 'scripts/record-code-cache.cjs'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Nothing of the builder's own: credentials, proxies, configuration.
    env: { PATH: process.env.PATH, HOME: home },
    cwd: home,
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0)
    throw new Error(`deployer ${args.slice(1).join(' ')} ended with ${code}: ${complaint.slice(0, 500)}`);
}

/**
 * Holds one image in buildx's shape without its layers, enough for `image inspect`, and gives the tokens that it asks
 * for, by another name of the same host, so that the way to a token server is warmed up too.
 */
async function startRegistry() {
  const stored = new Map();
  const store = (mediaType, value) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    stored.set(digest, { mediaType, bytes, digest });
    return { mediaType, digest, size: bytes.length };
  };
  const oci = (kind) => `application/vnd.oci.image.${kind}.v1+json`;
  const platform = { os: 'linux', architecture: 'amd64' };
  const config = store(oci('config'), { ...platform, rootfs: { type: 'layers', diff_ids: [] } });
  const image = store(oci('manifest'), { schemaVersion: 2, mediaType: oci('manifest'), config, layers: [] });
  const index = store(oci('index'), {
    schemaVersion: 2,
    mediaType: oci('index'),
    manifests: [{ ...image, platform }],
  });
  stored.set('v1', stored.get(index.digest));

  const server = createServer((request, response) => {
    const { port } = server.address();
    if (request.url.startsWith('/token')) return response.end('{"token":"warm-up","expires_in":300}');
    if (request.headers.authorization === undefined) {
      const challenge = `Bearer realm="http://localhost:${port}/token",service="warm-up"`;
      return response.writeHead(401, { 'www-authenticate': challenge }).end();
    }
    const found = stored.get(request.url.split('/').at(-1));
    if (found === undefined) return response.writeHead(404).end();
    const headers = { 'content-type': found.mediaType, 'docker-content-digest': found.digest };
    return response.writeHead(200, headers).end(found.bytes);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
