// `npm run demo`: the failing deploy that this project was born from, and then the same deploy succeeding, against
// the embedded platform. Leaves nothing behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectEngine } from '../dist/engine/connect.js';
import { writeDemoImage } from './demo/demo-image.mjs';

const BIN = fileURLToPath(new URL('../bin/run.js', import.meta.url));
const OTHERWISE = 'without a Docker Engine: npm run demo -- --runtime none';
const started = performance.now();

const FLY_TOML = `app = 'hello'

[http_service]
  internal_port = 8080

  [[http_service.checks]]
    path = '/'
    interval = '1s'
    timeout = '2s'
    grace_period = '1s'
`;

/** What keeps the demo from going on, said without a stack. */
class DemoFailure extends Error {}

const { values: options } = parseArgs({ options: { runtime: { type: 'string', default: 'auto' } } });
const folder = await mkdtemp(join(tmpdir(), 'deployer-demo-'));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (!stop.signal.aborted) say(`${signal}: stopping, and clearing up.`);
    stop.abort();
  });
}
let platform;
try {
  platform = await startEmulator(join(folder, 'platform'));
  await show(platform.ready);
  await leaveNothing();
  say(`Done in ${((performance.now() - started) / 1000).toFixed(1)} s; nothing is left running.`);
} catch (error) {
  await leaveNothing();
  if (!(error instanceof DemoFailure) && !stop.signal.aborted) throw error;
  console.error(stop.signal.aborted ? '\n# Interrupted; nothing is left running.' : `\n✖ ${error.message}`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}

async function show({ registry, apiUrl, token, runtime, runtimeDescription }) {
  const env = { ...process.env, DEPLOYER_API_URL: apiUrl, DEPLOYER_API_TOKEN: token };
  const image = `${registry}/hello:v1`;

  say('An image in the shape that buildx makes by default: an OCI index of the image and its provenance.');
  await writeDemoImage(join(folder, 'image'), 'v1');
  await deployer(['image', 'copy', '--all', 'oci:image:v1', image], env, 0);

  await writeFile(join(folder, 'fly.toml'), FLY_TOML);
  console.log(`$ cat fly.toml\n${FLY_TOML.trim()}`);

  say("January 2023: a client that asks with Docker's media types alone.");
  await deployer(['deploy', '--accept', 'docker', '--image', image], env, 3);

  say('Today: asked with every media type, deployed by digest.');
  await deployer(['deploy', '--image', image], env, 0);
  await deployer(['status'], env, 0);

  if (runtime === 'docker') await visit(env);
  else say(`The machine is a record, its checks are simulated (${runtimeDescription}).`);
}

/** Neither a process nor a container nor a file, nor the image that the engine was made to pull. */
async function leaveNothing() {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
  if (platform?.ready.runtime !== 'docker') return;
  const { docker: engine } = await connectEngine({ env: process.env, home: process.env.HOME ?? homedir() });
  const pulled = `${platform.ready.registry}/hello@`;
  for (const { RepoDigests } of await engine.listImages()) {
    for (const name of RepoDigests ?? []) if (name.startsWith(pulled)) await engine.getImage(name).remove();
  }
}

/** @param {string} line */
function say(line) {
  console.log(`\n# ${line}`);
}

/** Runs the program as a person would, and insists on its exit code. */
async function deployer(args, env, expected) {
  if (stop.signal.aborted) throw new DemoFailure('the demo was interrupted');
  console.log(`$ deployer ${args.join(' ')}`);
  const child = start(args, { env, cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  const kill = () => child.kill('SIGTERM');
  stop.signal.addEventListener('abort', kill);
  const [code] = await once(child, 'close');
  stop.signal.removeEventListener('abort', kill);
  if (stop.signal.aborted) throw new DemoFailure('the demo was interrupted');
  console.log(`(exit code ${code})`);
  if (code !== expected) {
    throw new DemoFailure(`deployer ${args[0]} ended with ${code}, not with ${expected}; ${OTHERWISE}`);
  }
}

/** In a process group of its own: Ctrl-C reaches the demo alone, which stops one after the other. */
function start(args, spawnOptions) {
  return spawn(process.execPath, [BIN, ...args], { ...spawnOptions, detached: true });
}

async function startEmulator(dataDir) {
  say(
    'A platform of its own on loopback: a registry that answers as docker-registry 2.8 does, and a Machines API.',
  );
  const args = ['emulator', 'start', '--json', '--registry-port', '0', '--api-port', '0', '--legacy-accept'];
  console.log(`$ deployer ${args.join(' ')} &`);
  const child = start([...args, '--runtime', options.runtime, '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => child.kill('SIGTERM');
  stop.signal.addEventListener('abort', kill);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const closed = once(child, 'close');
  const output = createInterface(child.stdout);
  // A failure is a document of several lines, and told on stderr too.
  const ready = new Promise((resolve) => {
    output.on('line', (line) => line.endsWith('}') && line.startsWith('{') && resolve(JSON.parse(line)));
  });
  const answer = await Promise.race([ready, closed.then(() => undefined)]);
  stop.signal.removeEventListener('abort', kill);
  if (answer === undefined) {
    throw new DemoFailure(`the platform did not start; ${OTHERWISE}\n${said.trimEnd()}`);
  }
  return {
    ready: answer,
    stop: async () => {
      child.kill('SIGTERM');
      await closed;
    },
  };
}

/** Asks the app itself, at the URL that the deploy named. */
async function visit(env) {
  const child = start(['status', '--json'], { env, cwd: folder });
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  const { url } = JSON.parse(output);
  const answer = await fetch(url);
  console.log(`$ curl ${url}\n${(await answer.text()).trim()}`);
}
