import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Holds the id of a test run; every process that the run starts has it in its environment. */
export const RUN_VARIABLE = 'DEPLOYER_TEST_RUN';

/**
 * The processes of a test run that are alive, without the asker, its ancestors, and tsx's compiler. Empty where
 * there is no /proc.
 * @param {string} run
 * @returns {{ pid: number, command: string }[]}
 */
export function survivorsOf(run) {
  if (process.platform !== 'linux') return [];
  const own = ancestors(process.pid);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && !own.has(Number(name)))
    .filter((pid) => readProc(pid, 'environ').split('\0').includes(`${RUN_VARIABLE}=${run}`))
    .filter((pid) => !/\/esbuild$/.test(executableOf(pid)))
    .map((pid) => ({
      pid: Number(pid),
      command: readProc(pid, 'cmdline').split('\0').join(' ').slice(0, 200),
    }));
}

/** @param {number} pid */
function ancestors(pid) {
  const all = new Set();
  for (let at = pid; at > 1; at = Number(/^PPid:\s+(\d+)/m.exec(readProc(at, 'status'))?.[1] ?? 0))
    all.add(at);
  return all;
}

/** @param {number | string} pid @param {string} file */
function readProc(pid, file) {
  return ifAlive(() => readFileSync(`/proc/${pid}/${file}`, 'utf8'));
}

/** @param {string} pid */
function executableOf(pid) {
  return ifAlive(() => readlinkSync(`/proc/${pid}/exe`));
}

/**
 * A process may end while it is looked at, and another user's can't be read.
 * @param {() => string} read
 */
function ifAlive(read) {
  try {
    return read();
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return '';
    throw error;
  }
}
