import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A Linux bridge of a test's own for one engine, so that several can live side by side. */
export interface NetworkBridge {
  readonly name: string;
  /** For the networks that the engine makes itself. */
  readonly addressPool: string;
  remove(): Promise<void>;
}

const PREFIX = 'dplr-test';

/** Takes the first free one of 200. The kernel refuses a name that is taken, so two processes can't get the same. */
export async function makeNetworkBridge(): Promise<NetworkBridge> {
  await removeOrphans();
  for (let at = 0; at < 200; at += 1) {
    const name = `${PREFIX}${at}`;
    if (!(await addBridge(name))) continue;
    // Addresses set aside for tests of network devices (RFC 2544): no real network has them.
    await run('ip', ['link', 'set', name, 'alias', `pid=${process.pid}`]);
    await run('ip', ['addr', 'add', `198.18.${at}.1/24`, 'dev', name]);
    await run('ip', ['link', 'set', name, 'up']);
    const remove = async (): Promise<void> => {
      await run('ip', ['link', 'delete', name]);
    };
    return { name, addressPool: `198.19.${at}.0/24`, remove };
  }
  throw new Error(`all bridges ${PREFIX}0..199 are taken (ip link show type bridge)`);
}

async function addBridge(name: string): Promise<boolean> {
  try {
    await run('ip', ['link', 'add', name, 'type', 'bridge']);
    return true;
  } catch (error) {
    if (/File exists/.test(String(error))) return false;
    throw error;
  }
}

/** Bridges of test runs that were killed. */
async function removeOrphans(): Promise<void> {
  const { stdout } = await run('ip', ['-json', 'link', 'show', 'type', 'bridge']);
  const links = JSON.parse(stdout || '[]') as readonly { ifname?: string; ifalias?: string }[];
  for (const { ifname, ifalias } of links) {
    const pid = /^pid=(\d+)$/.exec(ifalias ?? '')?.[1];
    if (ifname?.startsWith(PREFIX) && pid !== undefined && !existsSync(`/proc/${pid}`)) {
      await run('ip', ['link', 'delete', ifname]);
    }
  }
}
