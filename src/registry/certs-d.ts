import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TlsMaterial } from '../http/dispatchers.js';
import { DeployerError } from '../lib/errors.js';

export interface CertsD {
  /** For example `~/.docker/certs.d` and `/etc/docker/certs.d`; the first that has the host wins. */
  readonly roots: readonly string[];
  /** NODE_EXTRA_CA_CERTS: authorities that Node trusts beside its own, and that a list of them would leave out. */
  readonly extraFile?: string | undefined;
}

/**
 * TLS material for a registry host as docker keeps it: `ROOT/HOST/*.crt` are authorities (beside the system's),
 * `NAME.cert` with `NAME.key` a client certificate. Undefined when no root has a folder for the host.
 * @throws DeployerError `config_invalid`, naming the file that lacks its key, can't be read, holds no certificate, or
 *   does not fit to the other
 */
export async function readCertsD(
  { roots, extraFile }: CertsD,
  host: string,
): Promise<TlsMaterial | undefined> {
  for (const root of roots) {
    const folder = join(root, host);
    const names = await namesIn(folder);
    const found = names.length === 0 ? undefined : await readFolder(folder, names);
    if (found !== undefined) return { ...found, ca: [...(await systemAuthorities(extraFile)), ...found.ca] };
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

async function systemAuthorities(extraFile: string | undefined): Promise<readonly string[]> {
  // Loaded only here: a registry on loopback, asked over plain http, needs no TLS at all.
  const { rootCertificates } = await import('node:tls');
  // Node warns of a file that it can't read, and does without.
  const extra = extraFile ? await readFile(extraFile, 'utf8').catch(() => undefined) : undefined;
  return extra === undefined ? rootCertificates : [...rootCertificates, extra];
}

async function readFolder(
  folder: string,
  names: readonly string[],
): Promise<(TlsMaterial & { readonly ca: readonly string[] }) | undefined> {
  const authorities = names.filter((name) => name.endsWith('.crt'));
  const client = names.find((name) => name.endsWith('.cert'));
  if (authorities.length === 0 && client === undefined) return undefined;
  const ca = await Promise.all(authorities.map((name) => readCertificate(join(folder, name))));
  if (client === undefined) return { ca };
  const key = client.replace(/\.cert$/, '.key');
  if (!names.includes(key)) {
    throw new DeployerError('config_invalid', `${join(folder, client)} has no ${key} beside it`, {
      suggestions: [`put the certificate's private key there, or remove ${join(folder, client)}`],
    });
  }
  return { ca, ...(await readPair(join(folder, client), join(folder, key))) };
}

async function readPair(
  certFile: string,
  keyFile: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const cert = await readCertificate(certFile);
  const key = await readPem(keyFile);
  // OpenSSL names neither file, and only when the connection is made.
  if (!isKeyOf(cert, key, keyFile)) {
    throw new DeployerError('config_invalid', `${keyFile} is not the key of ${certFile}`, {
      suggestions: ['put the key there that the certificate was made with'],
    });
  }
  return { cert, key };
}

function isKeyOf(cert: string, key: string, keyFile: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new DeployerError('config_invalid', `${keyFile} holds no private key that can be used`, {
      cause: error,
      suggestions: ['it is a private key in PEM form, without a passphrase'],
    });
  }
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
