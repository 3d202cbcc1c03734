import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

export interface ServerProcess {
  readonly pid: number;
  /** All that it has written so far, stdout and stderr together. */
  log(): string;
  exited(): boolean;
  /** null while it runs, and when a signal ended it. */
  exitCode(): number | null;
  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
}

export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts a program that runs until it is stopped. */
export function startServer(command: ServerCommand): ServerProcess {
  const child = spawn(command.program, command.args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...command.env },
    cwd: command.cwd,
  });
  let text = '';
  const keep = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', (error) => (text += `\n${error.message}\n`));
  return {
    pid: child.pid ?? -1,
    log: () => text,
    exited: () => hasEnded(child),
    exitCode: () => child.exitCode,
    stop: (graceMs = 10_000) => stop(child, graceMs),
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function stop(child: ChildProcess, graceMs: number): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(kill);
}

/**
 * Asks `ready` every 50 ms until it gives something. Throws with the server's log when the server ends first or
 * `timeoutMs` have passed.
 */
export async function waitUntilReady<T>(
  what: string,
  server: ServerProcess,
  ready: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  while (!server.exited() && Date.now() < deadline) {
    const answer = await ready();
    if (answer !== undefined) return answer;
    await delay(50);
  }
  const why = server.exited() ? 'ended' : `did not answer within ${timeoutMs} ms`;
  await server.stop();
  throw new Error(`${what} ${why}; its log:\n${server.log().slice(-4000)}`);
}
