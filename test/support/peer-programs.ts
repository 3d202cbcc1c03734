import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, MODERN_ROOT } from './requirements.js';
import { makeTempFolder, TEMP_PREFIX } from './temp-folder.js';

const run = promisify(execFile);

/** Where another registry client runs, with a folder and a home of its own. */
export interface PeerPlace {
  /** The folder, as the programs see it. */
  readonly folder: string;
  /** The same, as this process sees it. */
  readonly path: string;
  /** Runs a program in the folder; gives what it wrote to stdout. Throws with its stderr when it fails. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

/** The programs of this machine. */
export async function machinePeers(): Promise<PeerPlace> {
  const folder = await makeTempFolder('peers');
  return {
    folder: folder.path,
    path: folder.path,
    run: (program, ...args) => output(findProgram(program) ?? program, args, folder.path, folder.path),
    remove: folder.remove,
  };
}

/** The programs of the Debian sid root. */
export async function modernPeers(): Promise<PeerPlace> {
  const path = await mkdtemp(join(MODERN_ROOT, 'tmp', `${TEMP_PREFIX}peers-`));
  const folder = path.slice(MODERN_ROOT.length);
  return {
    folder,
    path,
    run: (program, ...args) => output('chroot', [MODERN_ROOT, program, ...args], '/', folder),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

async function output(program: string, args: readonly string[], cwd: string, home: string): Promise<string> {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: home, TMPDIR: home };
  const { stdout } = await run(program, args, { cwd, env, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}
