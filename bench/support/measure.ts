import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A command to time: program and arguments, and what is done before each of its runs. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** What it has besides, or in place of, the caller's; undefined: not at all. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Its output is thrown away: at once, unless it goes over a Unix socket first, to one who reads it. */
  readonly output?: 'socket';
  readonly before?: () => Promise<void>;
}

export interface Timing {
  /** milliseconds of wall time, from before the process is made until it has ended */
  readonly median: number;
}

/**
 * Times commands in turn, A B C A B C, so that what else the machine does falls on all of them alike. One run of
 * each goes before, uncounted.
 * @throws when a command ends with another code than 0
 */
export async function measureInTurn<Name extends string>(
  commands: Readonly<Record<Name, Command>>,
  rounds: number,
): Promise<Record<Name, Timing>> {
  const names = Object.keys(commands) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -1; round < rounds; round += 1) {
    for (const name of names) {
      const took = await time(commands[name]);
      if (round >= 0) times[name].push(took);
    }
  }
  return Object.fromEntries(names.map((name) => [name, { median: median(times[name]) }])) as Record<
    Name,
    Timing
  >;
}

async function time(command: Command): Promise<number> {
  await command.before?.();
  const started = performance.now();
  await runToEnd(command);
  return performance.now() - started;
}

/** Runs the command, until its output is read, too; `onStart` gets its pid. */
export async function runToEnd(command: Command, onStart?: (pid: number) => void): Promise<void> {
  const [program, ...args] = command.argv;
  // What Node calls a pipe to a child is a Unix socket.
  const reader = command.output && spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  const child = spawn(program, args, {
    stdio: ['ignore', reader?.stdin ?? 'ignore', 'pipe'],
    // The caller's own environment: what it adds to Node's start falls on floor, peer and program alike.
    env: { ...process.env, ...command.env },
  });
  reader?.stdin.destroy();
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  if (child.pid !== undefined) onStart?.(child.pid);
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [[code]] = await Promise.all([ended, reader && once(reader, 'close')]);
  if (code !== 0) {
    throw new Error(`${command.argv.join(' ')} ended with ${code}: ${complaint.slice(0, 1000)}`);
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
