import { randomFillSync } from 'node:crypto';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DockerEngine } from '../test/support/docker-engine.js';
import { startEngineProxy } from '../test/support/engine-proxy.js';
import { startModernEngine } from '../test/support/modern-engine.js';
import { whyMissing } from '../test/support/requirements.js';
import { makeTempFolder } from '../test/support/temp-folder.js';
import { deployer } from './support/commands.js';
import { measureInTurn, runToEnd, type Command } from './support/measure.js';
import { timeRow, type Row } from './support/table.js';

const MIB = 2 ** 20;
/** How often at most: a first build of 500 MiB takes the engine many seconds, one of 100,000 files minutes. */
interface Most {
  readonly firstBuilds: number;
  readonly rebuilds: number;
}

/** Builds from a folder, with the same engine as `docker buildx build`: Docker 28 of the Debian sid root. */
export async function build(rounds: number): Promise<Row[]> {
  const missing = whyMissing('modern-root');
  if (missing !== undefined) {
    return [{ what: 'build of 500 MiB in 5,000 files', value: '', beside: `not measured, ${missing}` }];
  }
  await using engine = await startModernEngine();
  await using large = await makeTempFolder('bench-context');
  await writeFiles(large.path, { folders: 50, filesEach: 100, bytes: 500 * MIB });
  await using many = await makeTempFolder('bench-context');
  await writeFiles(many.path, { folders: 100, filesEach: 1000, bytes: 100_000 * 16 });
  const most = ({ firstBuilds, rebuilds }: Most): Most => ({
    firstBuilds: Math.min(rounds, firstBuilds),
    rebuilds: Math.min(rounds, rebuilds),
  });
  return [
    ...(await timesOf('500 MiB in 5,000 files', large.path, engine, most({ firstBuilds: 3, rebuilds: 9 }))),
    ...(await sentOf(large.path, engine)),
    ...(await timesOf('100,000 files of 16 bytes', many.path, engine, most({ firstBuilds: 1, rebuilds: 5 }))),
  ];
}

async function timesOf(what: string, context: string, engine: DockerEngine, most: Most): Promise<Row[]> {
  const [ours, theirs] = [ourBuild(context, engine.dockerHost), buildxBuild(context, engine)];
  const before = (): Promise<void> => forget(engine);
  const first = await measureInTurn(
    { ours: { ...ours, before }, theirs: { ...theirs, before } },
    most.firstBuilds,
  );
  // The engine has forgotten what it was sent by one of the two.
  await runToEnd(ours);
  const again = await measureInTurn({ ours, theirs }, most.rebuilds);
  const peer = 'docker buildx build';
  return [
    timeRow(`first build of ${what}`, first.ours.median, [peer, first.theirs.median], 1.2),
    timeRow(`the same again, unchanged`, again.ours.median, [peer, again.theirs.median], 1.3),
  ];
}

/** What passes through the engine's socket, counted on its way. */
async function sentOf(context: string, engine: DockerEngine): Promise<Row[]> {
  await using way = await startEngineProxy(engine.socketPath);
  const ours = ourBuild(context, way.dockerHost);
  const sentBy = async (): Promise<number> => {
    const before = way.sentBytes();
    await runToEnd(ours);
    return way.sentBytes() - before;
  };
  await sentBy();
  const again = await sentBy();
  const edited = join(context, 'folder-7', 'file-7');
  await appendFile(edited, 'one more line\n');
  const { length } = await readFile(edited);
  const afterEdit = await sentBy();
  const extra = afterEdit - again - length;
  return [
    {
      ...{ what: 'bytes to the engine, unchanged', value: String(again) },
      // Names, sizes and times of 5,000 files.
      goal: { text: '≤ 100 a file', met: again <= 100 * 5000 },
    },
    {
      what: `more when one file of ${length} bytes was edited`,
      value: String(afterEdit - again),
      goal: { text: 'the file, and ≤ 1% around it', met: extra >= 0 && extra <= length / 100 },
    },
  ];
}

function ourBuild(context: string, dockerHost: string): Command {
  const env = { DOCKER_HOST: dockerHost };
  return { ...deployer('build', context, '--tag', 'ours:1', '--provenance', 'off', '--quiet'), env };
}

/** In the mount namespace of the engine, where the sid root is `/` and the temp folder is this machine's. */
function buildxBuild(context: string, engine: DockerEngine): Command {
  return {
    argv: [
      ...(['nsenter', `--mount=/proc/${engine.pid}/ns/mnt`, 'docker', 'buildx', 'build'] as const),
      ...['--quiet', '--provenance=false', '--tag', 'theirs:1', context],
    ],
    env: { DOCKER_HOST: engine.dockerHost, HOME: tmpdir() },
  };
}

/** Leaves the engine without what it keeps of earlier builds: layers, and files of their contexts. */
async function forget({ docker, socketPath }: DockerEngine): Promise<void> {
  for (const { Id } of await docker.listImages({ all: true })) {
    await docker.getImage(Id).remove({ force: true });
  }
  // Not docker.pruneBuilder: it has no way to say `all`, and so keeps what it was sent a short time ago.
  await new Promise<void>((resolve, reject) => {
    const request = httpRequest({ socketPath, path: '/build/prune?all=true', method: 'POST' }, (answer) => {
      answer.resume().once('end', resolve);
    });
    request.once('error', reject).end();
  });
}

/** Random content: nothing of it can be compressed, or is there twice. */
async function writeFiles(
  root: string,
  { folders, filesEach, bytes }: { folders: number; filesEach: number; bytes: number },
): Promise<void> {
  const content = Buffer.alloc(bytes / (folders * filesEach));
  await writeFile(join(root, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  for (let folder = 0; folder < folders; folder += 1) {
    const path = join(root, `folder-${folder}`);
    await mkdir(path);
    for (let file = 0; file < filesEach; file += 1) {
      await writeFile(join(path, `file-${file}`), randomFillSync(content));
    }
  }
}
