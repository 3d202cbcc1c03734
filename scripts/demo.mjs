// `npm run demo`: the failing deploy that this project was born from, and then the same deploy succeeding, against
// the embedded platform. Leaves nothing behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { writeDemoImage } from './demo/demo-image.mjs';

const BIN = fileURLToPath(new URL('../bin/run.js', import.meta.url));
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

const folder = await mkdtemp(join(tmpdir(), 'deployer-demo-'));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
let platform;
try {
  say(
    'A platform of its own on loopback: a registry that answers as docker-registry 2.8 does, and a Machines API.',
  );
  platform = await startEmulator(join(folder, 'platform'));
  const { registry, apiUrl, token, runtime } = platform.ready;
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
  else
    say(
      'No Docker Engine was found: the machine is a record, its checks are simulated. With one it is a container.',
    );
} finally {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
}
say(`Done in ${((performance.now() - started) / 1000).toFixed(1)} s; nothing is left running.`);

/** @param {string} line */
function say(line) {
  console.log(`\n# ${line}`);
}

/** Runs the program as a person would, and insists on its exit code. */
async function deployer(args, env, expected) {
  console.log(`$ deployer ${args.join(' ')}`);
  const child = spawn(process.execPath, [BIN, ...args], {
    env,
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const kill = () => child.kill('SIGTERM');
  stop.signal.addEventListener('abort', kill);
  const [code] = await once(child, 'close');
  stop.signal.removeEventListener('abort', kill);
  if (stop.signal.aborted) throw new Error('the demo was interrupted');
  console.log(`(exit code ${code})`);
  if (code !== expected) throw new Error(`deployer ${args[0]} ended with ${code}, not with ${expected}`);
}

async function startEmulator(dataDir) {
  const args = ['emulator', 'start', '--json', '--registry-port', '0', '--api-port', '0', '--legacy-accept'];
  console.log(`$ deployer ${args.join(' ')} &`);
  const child = spawn(process.execPath, [BIN, ...args, '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const closed = once(child, 'close');
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    closed.then(() => undefined),
  ]);
  if (line === undefined) throw new Error(`the platform did not start: ${said}`);
  return {
    ready: JSON.parse(line[0]),
    stop: async () => {
      child.kill('SIGTERM');
      await closed;
    },
  };
}

/** Asks the app itself, at the URL that the deploy named. */
async function visit(env) {
  const child = spawn(process.execPath, [BIN, 'status', '--json'], { env, cwd: folder });
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  const { url } = JSON.parse(output);
  const answer = await fetch(url);
  console.log(`$ curl ${url}\n${(await answer.text()).trim()}`);
}
