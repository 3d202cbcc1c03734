import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { makeTempFolder } from './temp-folder.js';
import { RUN_VARIABLE } from './survivors.mjs';

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Of Node, before the script. */
  readonly nodeArgs?: readonly string[];
  /** A program, with its arguments, that starts it. */
  readonly through?: readonly string[];
  /** Another copy of the package than this one. */
  readonly root?: string;
  /** File descriptors to write to in place of what is collected. */
  readonly outputs?: { readonly stdout?: number; readonly stderr?: number };
}

/** A run that has not ended yet. */
export interface RunningProgram {
  readonly pid: number;
  /** What it has said so far. */
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  /** Goes away as the reader of its stderr. */
  stopReading(): void;
  readonly finished: Promise<Finished>;
}

/** Starts the built program as a user would: another process, an environment without the developer's own settings. */
export function startProgram(args: readonly string[], options: RunOptions = {}): RunningProgram {
  const script = `${options.root ?? PROJECT}/bin/run.js`;
  const command = [process.execPath, ...(options.nodeArgs ?? []), script, ...args];
  const [program = '', ...rest] = [...(options.through ?? []), ...command];
  const child = spawn(program, rest, {
    // The run's id lets the test runner find what is left behind (survivors.mjs).
    env: {
      PATH: process.env['PATH'],
      HOME: '/nonexistent',
      [RUN_VARIABLE]: process.env[RUN_VARIABLE],
      ...options.env,
    },
    cwd: options.cwd,
    stdio: ['ignore', options.outputs?.stdout ?? 'pipe', options.outputs?.stderr ?? 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return {
    pid: child.pid ?? -1,
    stopReading: () => child.stderr?.destroy(),
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => child.kill(signal),
    finished: new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    }),
  };
}

/** As `startProgram`, to its end. */
export async function runProgram(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  await using home = await makeTempFolder('home');
  const env = { HOME: home.path, ...options.env };
  return await startProgram(args, { ...options, env }).finished;
}
