import { readFileSync } from 'node:fs';
import { runToEnd, type Command } from './measure.js';

/**
 * The most memory that the command's process held at a time, in bytes. From /proc (Linux): the kernel keeps the
 * peak (VmHWM), so that looking often misses only what came in the last two milliseconds.
 */
export async function peakMemory(command: Command): Promise<number> {
  let peak = 0;
  let timer: NodeJS.Timeout | undefined;
  await runToEnd(command, (pid) => {
    timer = setInterval(() => (peak = Math.max(peak, peakOf(pid))), 2);
  });
  clearInterval(timer);
  return peak;
}

function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch (error) {
    // It has ended.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}
