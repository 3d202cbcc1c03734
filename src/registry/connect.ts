import { join } from 'node:path';
import type { HttpClient } from '../http/client.js';
import { Dispatchers, type DispatcherOptions } from '../http/dispatchers.js';
import { systemResolve, type Resolve } from '../http/public-network.js';
import { retryPolicy } from '../http/retry.js';
import { UndiciClient, type RoundTrip, type UndiciClientOptions } from '../http/undici-client.js';
import type { Clock } from '../lib/clock.js';
import { Authenticator, type AuthenticatorPorts } from './authenticator.js';
import { readCertsD } from './certs-d.js';
import { FileChallengeMemory, noMemory } from './challenge-memory.js';
import { RegistryClient, type RegistryClientPorts } from './client.js';
import { anonymous, firstOf, telling, type CredentialSource } from './credentials/credential.js';
import { DockerCredentials } from './credentials/docker-credentials.js';
import type { TokenGrant } from './token-grant.js';

export interface ConnectOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly clock: Clock;
  readonly userAgent: string;
  /** For what goes wrong without ending the run: a credential helper that is missing, a request sent again. */
  readonly warn: (message: string) => void;
  readonly trace?: (roundTrip: RoundTrip) => void;
  /** Told every secret that is used, before it is. */
  readonly keepSecret?: (secret: string) => void;
  /** Told what each token is good for that a registry's token server gives. */
  readonly onToken?: (grant: TokenGrant) => void;
  /** Asked when docker and podman know nothing of a registry: what a target's own token opens. */
  readonly fallback?: CredentialSource;
  readonly insecure?: readonly string[];
  /** Shorter or longer waits than the usual, in milliseconds. */
  readonly timeouts?: Pick<DispatcherOptions, 'connectTimeoutMs'> &
    Pick<UndiciClientOptions, 'headersTimeoutMs' | 'bodyTimeoutMs'> &
    Pick<RegistryClientPorts, 'questionTimeoutMs'> &
    Pick<AuthenticatorPorts, 'tokenTimeoutMs'>;
  /** What DNS says; the system's unless a test decides. */
  readonly resolve?: Resolve;
}

export interface RegistryConnection {
  readonly http: HttpClient;
  readonly credentials: CredentialSource;
  readonly registry: RegistryClient;
  /** The same registries, asked as one who is not logged in. */
  readonly anonymous: RegistryClient;
}

/**
 * The registry client as the program uses it: credentials as docker and podman keep them, docker's certs.d,
 * challenges remembered in the XDG cache, four tries.
 */
export function connectRegistry(options: ConnectOptions): RegistryConnection {
  const { env, home, clock, warn, insecure = [], timeouts = {}, resolve = systemResolve } = options;
  const docker = env['DOCKER_CONFIG'] || join(home, '.docker');
  const certs = {
    roots: [join(docker, 'certs.d'), '/etc/docker/certs.d'],
    extraFile: env['NODE_EXTRA_CA_CERTS'],
  };
  const http = new UndiciClient({
    dispatchers: new Dispatchers({ env, resolve, tlsFor: (host) => readCertsD(certs, host), ...timeouts }),
    userAgent: options.userAgent,
    ...timeouts,
    ...(options.trace === undefined ? {} : { trace: options.trace }),
  });
  const credentials = telling(
    firstOf(new DockerCredentials({ env, home, warn }), options.fallback ?? anonymous),
    options.keepSecret ?? (() => undefined),
  );
  const memory = new FileChallengeMemory(join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'deployer'));
  const retry = retryPolicy(clock);
  const client = (source: CredentialSource, remembered: typeof noMemory): RegistryClient =>
    new RegistryClient({
      http,
      authenticator: new Authenticator({
        http,
        credentials: source,
        memory: remembered,
        clock,
        retry,
        ...(options.onToken === undefined ? {} : { onToken: options.onToken }),
        ...timeouts,
      }),
      retry,
      insecure,
      ...timeouts,
      onRetry: (why, pauseMs) => warn(`${why}; asking again in ${(pauseMs / 1000).toFixed(1)} s`),
    });
  return { http, credentials, registry: client(credentials, memory), anonymous: client(anonymous, noMemory) };
}
