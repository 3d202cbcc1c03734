// Installs the real servers and tools that the integration tests use, from the machine's own package archive.
// It does so only where it may (Linux, root, apt-get), starts no service, and is quick when all is there.
// Elsewhere it says what is missing; the tests that need it are then reported as pending, by name.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Program, and the Debian package that brings it. */
const PARTS = [
  ['docker-registry', 'docker-registry'],
  ['dockerd', 'docker.io'],
  ['podman', 'podman'],
  ['busybox', 'busybox-static'],
  ['ssh-agent', 'openssh-client'],
  ['ip', 'iproute2'],
  ['iptables', 'iptables'],
  ['htpasswd', 'apache2-utils'],
  ['skopeo', 'skopeo'],
  ['openssl', 'openssl'],
];

/** Keeps the packages' scripts from starting their services (invoke-rc.d(8), deb-systemd-invoke(1p)). */
const POLICY = '/usr/sbin/policy-rc.d';

const missing = PARTS.filter(([program]) => !onPath(program));
if (missing.length > 0) install(missing.map(([, name]) => name));

function install(packages) {
  const why = whyNot();
  if (why !== undefined) {
    console.error(
      `test parts: missing ${packages.join(', ')}; not installed: ${why}. Their tests will be pending.`,
    );
    return;
  }
  console.error(`test parts: installing ${packages.join(', ')}`);
  withoutServices(() => {
    if (aptInstall(packages)) return;
    // The lists may be absent (a fresh image) or older than the archive.
    apt(['update']);
    if (!aptInstall(packages)) process.exitCode = 1;
  });
}

function whyNot() {
  if (process.platform !== 'linux') return `no Debian packages on ${process.platform}`;
  if (!onPath('apt-get')) return 'no apt-get here';
  if (process.getuid?.() !== 0) return 'not root (run: sudo node scripts/install-test-parts.mjs)';
  return undefined;
}

function aptInstall(packages) {
  return apt(['install', '--yes', '--no-install-recommends', ...packages]);
}

function apt(args) {
  const { status } = spawnSync('apt-get', ['--quiet', ...args], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return status === 0;
}

function withoutServices(work) {
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    work();
  } finally {
    if (ours) rmSync(POLICY, { force: true });
  }
}

function onPath(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}
