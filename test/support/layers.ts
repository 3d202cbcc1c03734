import { readFile } from 'node:fs/promises';
import { packTar } from 'modern-tar';
import type { Platform } from '../../src/oci/descriptor.js';
import { findProgram } from './requirements.js';

/** What `/bin` holds beside busybox itself. */
const APPLETS = ['sh', 'cat', 'echo', 'env', 'httpd', 'ls', 'nc', 'sleep', 'test', 'true', 'false', 'wget'];

type TarEntry = Parameters<typeof packTar>[0][number];

/** An uncompressed layer of these files; the same files give the same bytes. */
export async function filesLayer(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const folders = new Set(Object.keys(files).flatMap(parentsOf));
  return tar([
    ...[...folders].sort().map(folder),
    ...Object.entries(files).map(([name, content]) => file(name, Buffer.from(content), 0o644)),
  ]);
}

/** A root file system of busybox-static. Where that is not, or for another processor, a placeholder that can't run. */
export async function busyboxLayer(platform: Platform): Promise<Buffer> {
  const busybox = findProgram('busybox');
  const here = platform.os === 'linux' && platform.architecture === 'amd64' && process.arch === 'x64';
  if (!here || busybox === undefined) {
    return filesLayer({ 'etc/platform': `${platform.os}/${platform.architecture}\n` });
  }
  return tar([
    ...['bin', 'etc', 'tmp', 'www'].map(folder),
    file('bin/busybox', await readFile(busybox), 0o755),
    ...APPLETS.map((name) => link(`bin/${name}`, 'busybox')),
    file('etc/passwd', Buffer.from('root:x:0:0:root:/:/bin/sh\n'), 0o644),
  ]);
}

function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}

async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  return Buffer.from(await packTar(entries));
}

const FIXED = { mtime: new Date(0), uid: 0, gid: 0 } as const;

function file(name: string, body: Buffer, mode: number): TarEntry {
  return { header: { ...FIXED, name, size: body.length, type: 'file', mode }, body };
}

function folder(name: string): TarEntry {
  return { header: { ...FIXED, name: `${name}/`, size: 0, type: 'directory', mode: 0o755 } };
}

function link(name: string, linkname: string): TarEntry {
  return { header: { ...FIXED, name, size: 0, type: 'symlink', linkname, mode: 0o777 } };
}
