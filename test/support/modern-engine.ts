import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startEngine, type DockerEngine } from './docker-engine.js';
import { MODERN_ROOT } from './requirements.js';

const IN_MODERN_ROOT = fileURLToPath(new URL('in-modern-root.sh', import.meta.url));

/** Docker 28 of the Debian sid root; its containerd store keeps indexes and attestations, a graphdriver one does not. */
export function startModernEngine(store: 'containerd' | 'graphdriver' = 'containerd'): Promise<DockerEngine> {
  return startEngine([IN_MODERN_ROOT, MODERN_ROOT, tmpdir(), 'dockerd'], () => ({
    features: { 'containerd-snapshotter': store === 'containerd' },
  }));
}

export interface ModernRun {
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program of the Debian sid root: crane, oras, skopeo, docker (with buildx). Loopback is this machine's, and
 * so is the temp folder.
 * @returns its stdout
 * @throws when it ends with another code than 0, with its stderr in the message
 */
export async function runModern(
  program: 'crane' | 'oras' | 'skopeo' | 'docker',
  args: readonly string[],
  { env = {} }: ModernRun = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(
    IN_MODERN_ROOT,
    [MODERN_ROOT, tmpdir(), program, ...args],
    // Nothing of the developer's own: no credentials, no proxy.
    { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', ...env }, maxBuffer: 2 ** 26 },
  );
  return stdout;
}
