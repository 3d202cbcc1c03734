import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs the bundle a few times and keeps the code that V8 compiled, beside each chunk. Without it the program works
 * all the same, only its start is slower: so a failure here is told and ends nothing.
 * @param {string} root the project's folder
 * @param {readonly string[]} chunks the bundle's files
 */
export async function makeCodeCache(root, chunks) {
  const versionFile = join(root, 'dist/bundle/code-cache-version');
  // bin/run.js wants a cache file for each chunk; an empty one is refused by V8.
  for (const chunk of chunks) writeFileSync(`${chunk}.cache`, '');
  writeFileSync(versionFile, process.versions.v8);
  const registry = await startRegistry();
  const home = mkdtempSync(join(tmpdir(), 'deployer-build-'));
  const reference = `127.0.0.1:${registry.address().port}/warm-up/image:v1`;
  try {
    const inspect = ['image', 'inspect', reference];
    // Twice: the second time the challenge is remembered.
    for (const args of [['--help'], inspect, inspect, ['image', 'inspect', '--help']]) {
      await record(root, home, args);
    }
  } catch (error) {
    rmSync(versionFile);
    console.error(`build: no code cache, the program will start slower: ${error.message}`);
  } finally {
    registry.close();
    rmSync(home, { recursive: true, force: true });
  }
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
    throw new Error(`deployer ${args.join(' ')} ended with ${code}: ${complaint.slice(0, 500)}`);
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
