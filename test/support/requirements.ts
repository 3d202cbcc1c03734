import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before } from 'mocha';

/** A real part that tests use, and why it may be absent. */
export type Part =
  | 'docker-registry'
  | 'docker-engine'
  | 'podman'
  | 'busybox'
  | 'htpasswd'
  | 'openssl'
  | 'skopeo'
  | 'script'
  | 'ssh-agent'
  | 'modern-root'
  | 'linux';

const PROGRAM: Readonly<Partial<Record<Part, string>>> = {
  'docker-registry': 'docker-registry',
  busybox: 'busybox',
  htpasswd: 'htpasswd',
  openssl: 'openssl',
  skopeo: 'skopeo',
  script: 'script',
  'ssh-agent': 'ssh-agent',
};

/** The Debian sid root of scripts/modern-root.mjs. */
export const MODERN_ROOT = process.env['DEPLOYER_MODERN_ROOT'] ?? '/var/cache/deployer-modern';

declare module 'mocha' {
  interface Suite {
    /** Why its tests could not run; the reporter prints it. */
    pendingReason?: string;
  }
}

/**
 * Said at the top of a `describe`: its tests need these parts. Where one can't be had they are all pending, by name
 * and with the reason. In CI as root on Linux, where every part can be installed, its absence is a failure instead.
 */
export function requires(...parts: readonly Part[]): void {
  before(function () {
    const reasons = parts.map(whyMissing).filter((reason) => reason !== undefined);
    if (reasons.length === 0) return;
    const reason = reasons.join('; ');
    if (mustHaveParts()) throw new Error(`a part that CI must have is missing: ${reason}`);
    const suite = this.test?.parent;
    if (suite) suite.pendingReason = reason;
    this.skip();
  });
}

function mustHaveParts(): boolean {
  return process.env['CI'] === 'true' && process.platform === 'linux' && isRoot();
}

/** The reason why the part can't be used here; undefined when it can. */
export function whyMissing(part: Part): string | undefined {
  if (process.env['DEPLOYER_TEST_WITHOUT'] === part) return `${part} is switched off (DEPLOYER_TEST_WITHOUT)`;
  const program = PROGRAM[part];
  if (program !== undefined) {
    return findProgram(program) === undefined ? `${program} is not installed` : undefined;
  }
  if (part === 'docker-engine') return whyNoEngine();
  if (process.platform !== 'linux') return `needs Linux, this is ${process.platform}`;
  if (part === 'podman') return whyNoPodman();
  if (part === 'modern-root' && !existsSync(join(MODERN_ROOT, 'usr/sbin/dockerd'))) {
    return `${MODERN_ROOT} is not there (node scripts/modern-root.mjs)`;
  }
  if (part === 'modern-root' && !isRoot()) return 'a modern engine needs root';
  return undefined;
}

function whyNoEngine(): string | undefined {
  if (process.platform !== 'linux') return `dockerd needs Linux, this is ${process.platform}`;
  if (!isRoot()) return 'dockerd needs root';
  const absent = ['dockerd', 'containerd', 'ip', 'iptables'].filter(
    (name) => findProgram(name) === undefined,
  );
  return absent.length === 0 ? undefined : `${absent.join(', ')} not installed`;
}

function whyNoPodman(): string | undefined {
  if (!isRoot()) return 'a Podman of its own needs root';
  const absent = ['podman', 'runc'].filter((name) => findProgram(name) === undefined);
  return absent.length === 0 ? undefined : `${absent.join(', ')} not installed`;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The program's path, from PATH and the system folders that are not in everyone's PATH. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file) && statSync(file).isFile());
}
