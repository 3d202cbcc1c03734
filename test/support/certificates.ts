import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** PEM files. */
export interface Certificates {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * A throw-away CA in `folder`, and a certificate of it for localhost, 127.0.0.1, ::1 and `names`, both good for two
 * days.
 */
export async function makeCertificates(folder: string, names: readonly string[] = []): Promise<Certificates> {
  const file = (name: string): string => join(folder, name);
  const caFile = file('ca.pem');
  const certFile = file('server.pem');
  const keyFile = file('server.key');
  await makeSelfSigned({ subject: '/CN=deployer test CA', keyFile: file('ca.key'), certFile: caFile });
  await openssl(
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-subj', '/CN=localhost', '-keyout', keyFile, '-out', file('server.csr')],
  );
  const alternatives = ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1', ...names.map((name) => `DNS:${name}`)];
  await writeFile(file('server.ext'), `subjectAltName=${alternatives.join()}\n`);
  await openssl(
    ...['x509', '-req', '-days', '2', '-in', file('server.csr'), '-CA', caFile, '-CAkey', file('ca.key')],
    ...['-CAcreateserial', '-extfile', file('server.ext'), '-out', certFile],
  );
  return { caFile, certFile, keyFile };
}

export interface SelfSigned {
  readonly subject: string;
  readonly keyFile: string;
  readonly certFile: string;
  readonly key?: 'ec' | 'rsa';
}

/** A key and a self-signed certificate of it. */
export async function makeSelfSigned({ subject, keyFile, certFile, key = 'ec' }: SelfSigned): Promise<void> {
  const kind = key === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] : ['rsa:2048'];
  await openssl(
    ...['req', '-x509', '-newkey', ...kind, '-nodes', '-days', '2'],
    ...['-subj', subject, '-keyout', keyFile, '-out', certFile],
  );
}

async function openssl(...args: string[]): Promise<void> {
  await run('openssl', args);
}
