import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import type { TlsMaterial } from '../http/dispatchers.js';
import { DeployerError } from '../lib/errors.js';

/**
 * TLS material for a registry host as docker keeps it: `ROOT/HOST/*.crt` are authorities (beside the system's),
 * `NAME.cert` with `NAME.key` a client certificate. Undefined when no root has a folder for the host.
 * @param roots for example `~/.docker/certs.d` and `/etc/docker/certs.d`, the first that has the host wins
 * @throws DeployerError `config_invalid` for a certificate without its key
 */
export async function readCertsD(roots: readonly string[], host: string): Promise<TlsMaterial | undefined> {
  for (const root of roots) {
    const folder = join(root, host);
    const names = await namesIn(folder);
    if (names.length > 0) return readFolder(folder, names);
  }
  return undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return [];
    throw error;
  }
}

async function readFolder(folder: string, names: readonly string[]): Promise<TlsMaterial | undefined> {
  const authorities = names.filter((name) => name.endsWith('.crt'));
  const client = names.find((name) => name.endsWith('.cert'));
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  if (authorities.length === 0 && client === undefined) return undefined;
  const ca = [...rootCertificates, ...(await Promise.all(authorities.map(read)))];
  if (client === undefined) return { ca };
  const key = client.replace(/\.cert$/, '.key');
  if (!names.includes(key)) {
    throw new DeployerError('config_invalid', `${join(folder, client)} has no ${key} beside it`);
  }
  return { ca, cert: await read(client), key: await read(key) };
}
