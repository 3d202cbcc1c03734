import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The ids of the processes that run exactly this, in containers too. */
export async function pidsOf(command: string): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid,args']);
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.replace(/^\d+ /, '') === command)
    .map((line) => Number.parseInt(line, 10));
}
