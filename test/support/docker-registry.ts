import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Certificates } from './certificates.js';
import { startServer, waitUntilReady } from './child-process.js';
import { findProgram } from './requirements.js';
import { makeTempFolder } from './temp-folder.js';
import type { TokenServer } from './token-server.js';

export interface DockerRegistryOptions {
  readonly auth?:
    | { readonly kind: 'basic'; readonly user: string; readonly password: string }
    | { readonly kind: 'token'; readonly server: TokenServer };
  readonly tls?: Certificates;
  /** With `tls`: takes only clients with a certificate of this authority (PEM file). */
  readonly clientAuthority?: string;
  /** Where its images lie; else in a folder that goes with it. */
  readonly dataFolder?: string;
  /** Lets manifests and blobs be deleted. */
  readonly delete?: boolean;
}

export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, the domain of its references */
  readonly host: string;
  readonly url: string;
  readonly pid: number;
  /** What it logged so far: one line for each request, among others. */
  log(): string;
  /** `GET /v2/app/manifests/v1 200`, for each request so far. */
  requests(): string[];
  stop(): Promise<void>;
}

/** Debian's docker-registry (distribution 2.8.2) on a free loopback port, its files in a temp folder. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const folder = await makeTempFolder('registry');
  const configFile = join(folder.path, 'config.yml');
  // YAML holds JSON.
  await writeFile(configFile, JSON.stringify(await configOf(options, folder.path)));
  const server = startServer({
    program: findProgram('docker-registry') ?? 'docker-registry',
    args: ['serve', configFile],
  });
  // It is told port 0 and logs the one it got, so no port can be taken from under it.
  const host = await waitUntilReady(
    'docker-registry',
    server,
    () => /listening on (127\.0\.0\.1:\d+)/.exec(server.log())?.[1],
  ).catch(async (error: unknown) => {
    await folder.remove();
    throw error;
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await folder.remove();
  };
  const url = `${options.tls ? 'https' : 'http'}://${host}`;
  const requests = (): string[] => requestsIn(server.log());
  return { host, url, pid: server.pid, log: server.log, requests, stop, [Symbol.asyncDispose]: stop };
}

/** From the lines in Apache's format; each is written before its answer is complete. */
function requestsIn(log: string): string[] {
  return [...log.matchAll(/"([A-Z]+) (\S+) HTTP\/[\d.]+" (\d+) /g)].map(
    ([, method, path, status]) => `${method} ${path} ${status}`,
  );
}

async function configOf(options: DockerRegistryOptions, folder: string): Promise<object> {
  return {
    version: '0.1',
    log: { level: 'info', formatter: 'json' },
    storage: {
      filesystem: { rootdirectory: options.dataFolder ?? join(folder, 'data') },
      delete: { enabled: options.delete ?? false },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: {
      addr: '127.0.0.1:0',
      ...(options.tls && { tls: tlsOf(options.tls, options.clientAuthority) }),
    },
    compatibility: { schema1: { enabled: true } },
    ...(options.auth && { auth: await authOf(options.auth, folder) }),
  };
}

function tlsOf({ certFile: certificate, keyFile: key }: Certificates, clientAuthority?: string): object {
  return { certificate, key, ...(clientAuthority !== undefined && { clientcas: [clientAuthority] }) };
}

async function authOf(auth: NonNullable<DockerRegistryOptions['auth']>, folder: string): Promise<object> {
  if (auth.kind === 'token') {
    const { realm, service, issuer, certificateFile } = auth.server;
    return { token: { realm, service, issuer, rootcertbundle: certificateFile } };
  }
  const path = join(folder, 'htpasswd');
  const { stdout } = await promisify(execFile)('htpasswd', ['-Bbn', auth.user, auth.password]);
  await writeFile(path, stdout);
  return { htpasswd: { realm: 'deployer test registry', path } };
}
