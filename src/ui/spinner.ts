import type { Io } from './io.js';

/**
 * Shows on a terminal that something of unknown length goes on, while `work` does; nothing elsewhere.
 * ora is loaded only where it is seen; it draws on the process's stderr, which `interactive` speaks of.
 */
export async function withSpinner<T>(io: Io, text: string, work: () => Promise<T>): Promise<T> {
  if (!io.interactive || io.quiet) return work();
  const { default: ora } = await import('ora');
  const spinner = ora({ text, discardStdin: false }).start();
  try {
    return await work();
  } finally {
    spinner.stop();
  }
}
