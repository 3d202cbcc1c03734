import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** `PID COMMAND` of each process of this machine with exactly this command line. */
export async function processesLike(command: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid,args']);
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.replace(/^\d+ /, '') === command);
}
