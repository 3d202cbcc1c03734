import { spawn } from 'node:child_process';
import { PROJECT } from './program.js';
import type { Stage } from './stage.js';
import { screenOf } from './terminal-screen.js';

/** A program on a pseudo-terminal. */
export interface OnTerminal {
  /** What the terminal has been sent so far. */
  sent(): string;
  press(keys: string): void;
  /** The exit code, and what is then to be seen. */
  readonly finished: Promise<{ readonly code: number | null; readonly screen: readonly string[] }>;
}

export function onTerminal(
  stage: Pick<Stage, 'env' | 'folder'>,
  args: readonly string[],
  env: Record<string, string> = {},
): OnTerminal {
  const command = `stty cols 200 rows 50; ${process.execPath} ${PROJECT}/bin/run.js ${args.join(' ')}`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...stage.env, ...env },
    cwd: stage.folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let sent = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (sent += text));
  return {
    sent: () => sent,
    press: (keys) => child.stdin.write(keys),
    finished: new Promise((resolve) => {
      child.once('close', (code) => resolve({ code, screen: screenOf(sent) }));
    }),
  };
}

/** Without what is another in every run: machines' names, durations, digests. */
export function stable(lines: readonly string[]): readonly string[] {
  return lines.map((line) =>
    line
      .replace(/machine [0-9a-f]{14}/, 'machine ID')
      .replace(/sha256:[0-9a-f]{8}…/, 'sha256:…')
      .replace(/ {3}\d+\.\ds$/, '')
      .replace(/^ {2}\d\d:\d\d:\d\d /, '  TIME '),
  );
}
