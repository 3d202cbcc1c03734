import { spawn } from 'node:child_process';
import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const TSX = pathToFileURL(join(PROJECT, 'node_modules/tsx/dist/esm/index.mjs')).href;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the child and all it has said on stderr so far, whenever it says more. */
  readonly onStderr?: (stderr: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** A CLI in a temp folder with commands of a test's own, built on this project's base command. */
export class HostCli {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * @param commands file name without extension -> the class's body, which extends BaseCommand and may use
   *   DeployerError and the flags `boolean`, `integer` and `string`
   * @param entry `deployer`: through this project's `run`; `oclif`: through oclif's own, as another host would
   */
  static async create(
    commands: Record<string, string>,
    entry: 'deployer' | 'oclif' = 'deployer',
  ): Promise<HostCli> {
    const folder = await mkdtemp(join(tmpdir(), 'deployer-host-'));
    const pjson = {
      name: 'host',
      version: '1.2.3',
      type: 'module',
      oclif: { bin: 'host', dirname: 'host', commands: './commands', topicSeparator: ' ' },
    };
    await writeFile(join(folder, 'package.json'), JSON.stringify(pjson));
    await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
    for (const [name, body] of Object.entries(commands)) {
      const file = join(folder, 'commands', `${name}.js`);
      await mkdir(join(file, '..'), { recursive: true });
      await writeFile(file, commandSource(body));
    }
    await writeFile(join(folder, 'run.js'), entrySource(entry));
    return new HostCli(folder);
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const child = spawn(process.execPath, ['--import', TSX, join(this.folder, 'run.js'), ...args], {
      env: { PATH: process.env['PATH'], HOME: this.folder, NODE_ENV: 'production', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(stderr, (signal) => child.kill(signal));
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

function source(path: string): string {
  return JSON.stringify(pathToFileURL(join(PROJECT, 'src', path)).href);
}

function commandSource(body: string): string {
  return `
    import { boolean, integer, string } from '@oclif/core/flags';
    import { BaseCommand } from ${source('cli/base-command.ts')};
    import { DeployerError } from ${source('lib/errors.ts')};
    export default class extends BaseCommand {${body}}`;
}

function entrySource(entry: 'deployer' | 'oclif'): string {
  return entry === 'deployer'
    ? `import { run } from ${source('cli/main.ts')};
       await run(process.argv.slice(2), import.meta.url);`
    : `import { execute } from '@oclif/core';
       await execute({ dir: import.meta.url });`;
}
