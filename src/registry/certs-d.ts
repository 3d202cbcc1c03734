import { X509Certificate } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TlsMaterial } from '../http/dispatchers.js';
import { DeployerError } from '../lib/errors.js';

/**
 * TLS material for a registry host as docker keeps it: `ROOT/HOST/*.crt` are authorities (beside the system's),
 * `NAME.cert` with `NAME.key` a client certificate. Undefined when no root has a folder for the host.
 * @param roots for example `~/.docker/certs.d` and `/etc/docker/certs.d`, the first that has the host wins
 * @throws DeployerError `config_invalid`, naming the file that lacks its key, can't be read or holds no certificate
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
  if (authorities.length === 0 && client === undefined) return undefined;
  const own = await Promise.all(authorities.map((name) => readCertificate(join(folder, name))));
  // Loaded only here: a registry on loopback, asked over plain http, needs no TLS at all.
  const { rootCertificates } = await import('node:tls');
  const ca = [...rootCertificates, ...own];
  if (client === undefined) return { ca };
  const key = client.replace(/\.cert$/, '.key');
  if (!names.includes(key)) {
    throw new DeployerError('config_invalid', `${join(folder, client)} has no ${key} beside it`, {
      suggestions: [`put the certificate's private key there, or remove ${join(folder, client)}`],
    });
  }
  return { ca, cert: await readCertificate(join(folder, client)), key: await readPem(join(folder, key)) };
}

async function readCertificate(file: string): Promise<string> {
  const text = await readPem(file);
  try {
    new X509Certificate(text);
  } catch (error) {
    // OpenSSL passes over what is no certificate, and the connection fails later with no word about this file.
    throw new DeployerError('config_invalid', `${file} holds no certificate in PEM form`, {
      cause: error,
      suggestions: ['it starts with -----BEGIN CERTIFICATE-----; write it again or remove it'],
    });
  }
  return text;
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new DeployerError('config_invalid', `${file} can't be read (${code})`, {
      cause: error,
      suggestions: [`check its owner and mode: ls -l ${file}`],
    });
  }
}
