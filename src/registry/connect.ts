import { join } from 'node:path';
import type { HttpClient } from '../http/client.js';
import { retryPolicy } from '../http/retry.js';
import type { Clock } from '../lib/clock.js';
import { Authenticator } from './authenticator.js';
import { FileChallengeMemory } from './challenge-memory.js';
import { RegistryClient } from './client.js';
import type { CredentialSource } from './credentials/credential.js';
import { systemLookup } from './realm.js';

export interface ConnectOptions {
  readonly http: HttpClient;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly insecure?: readonly string[];
  readonly onRetry?: (why: string, pauseMs: number) => void;
}

/** A registry client as the program uses it: challenges remembered in the XDG cache, four tries. */
export function connectRegistry(options: ConnectOptions): RegistryClient {
  const { http, credentials, clock, env, home, insecure = [], onRetry } = options;
  const memory = new FileChallengeMemory(join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'deployer'));
  return new RegistryClient({
    http,
    authenticator: new Authenticator({ http, credentials, memory, clock, lookup: systemLookup }),
    retry: retryPolicy(clock),
    insecure,
    ...(onRetry === undefined ? {} : { onRetry }),
  });
}
