// Makes (once) a Debian sid root with today's Docker Engine, buildx, crane, oras and skopeo, for `npm run test:modern`
// and the peers in `bench/`. Prints the root's folder on stdout, everything else on stderr.
//
//   node scripts/modern-root.mjs            make it when it is not there
//   node scripts/modern-root.mjs --check    only tell whether it is there (exit 1 when not)
//
// The folder is $DEPLOYER_MODERN_ROOT, else /var/cache/deployer-modern. The mirror is the one of this machine's apt.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const PACKAGES = ['ca-certificates', 'docker.io', 'docker-buildx', 'docker-cli', 'crane', 'oras', 'skopeo'];
const PROGRAMS = ['dockerd', 'docker', 'containerd', 'runc', 'crane', 'oras', 'skopeo'];
const BUILDX = 'usr/libexec/docker/cli-plugins/docker-buildx';

const root = process.env.DEPLOYER_MODERN_ROOT ?? '/var/cache/deployer-modern';

if (missingIn(root).length > 0) {
  if (process.argv.includes('--check')) {
    console.error(
      `modern-root: ${root} lacks ${missingIn(root).join(', ')}; make it with node scripts/modern-root.mjs`,
    );
    process.exit(1);
  }
  make();
}
console.log(root);

function make() {
  const why = whyNot();
  if (why !== undefined) {
    console.error(`modern-root: can't make ${root}: ${why}`);
    process.exit(1);
  }
  const building = `${root}.building-${process.pid}`;
  const mirror = aptMirror();
  mkdirSync(dirname(root), { recursive: true });
  console.error(`modern-root: debootstrap of Debian sid into ${root} from ${mirror} (some minutes)`);
  try {
    // In a mount namespace of its own: what debootstrap mounts inside the root can't outlive it. Its status is not
    // asked: configuring one package fails without a running init, and the programs are whole all the same.
    const { error } = spawnSync(
      'unshare',
      ['-m', 'debootstrap', '--variant=minbase', `--include=${PACKAGES.join(',')}`, 'sid', building, mirror],
      { stdio: ['ignore', 2, 2] },
    );
    if (error !== undefined) throw error;
    const missing = missingIn(building);
    if (missing.length > 0)
      throw new Error(`debootstrap left it without ${missing.join(', ')}; its log is above`);
    rmSync(join(building, 'var/cache/apt/archives'), { recursive: true, force: true });
    rmSync(root, { recursive: true, force: true });
    renameSync(building, root);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** Why this machine can't make the root; undefined when it can. */
function whyNot() {
  if (process.platform !== 'linux') return `it needs Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'it needs root';
  const absent = ['debootstrap', 'unshare', 'chroot'].filter((program) => !onPath(program));
  return absent.length === 0
    ? undefined
    : `${absent.join(', ')} not found (apt-get install debootstrap util-linux)`;
}

/** What of the root is not there, by name. */
function missingIn(folder) {
  const absent = PROGRAMS.filter(
    (name) => !['usr/bin', 'usr/sbin'].some((bin) => existsSync(join(folder, bin, name))),
  );
  return existsSync(join(folder, BUILDX)) ? absent : [...absent, 'docker-buildx'];
}

function onPath(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}

/** The first Debian archive in apt's sources, in either of their two formats. */
function aptMirror() {
  for (const file of sourceFiles()) {
    const text = readFileSync(file, 'utf8');
    const uri = file.endsWith('.sources')
      ? /^URIs:\s*(\S+)/m.exec(text)?.[1]
      : /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/m.exec(text)?.[1];
    if (uri !== undefined && /\/debian\/?$/.test(uri)) return uri;
  }
  console.error('modern-root: no Debian archive in /etc/apt/sources.list or sources.list.d');
  process.exit(1);
}

function sourceFiles() {
  const folder = '/etc/apt/sources.list.d';
  const parts = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  return ['/etc/apt/sources.list', ...parts.sort()].filter(
    (file) => /\.(list|sources)$/.test(file) && existsSync(file),
  );
}
