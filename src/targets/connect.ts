import {
  apiCredentials,
  type ApiCredentials,
  type ApiFlags,
  type ApiInputs,
} from '../config/api-credentials.js';
import type { TargetName } from '../config/deploy-config.js';
import { loadAppConfig, type AppFlags } from '../config/load-config.js';
import type { HttpClient } from '../http/client.js';
import { Dispatchers } from '../http/dispatchers.js';
import { UndiciClient, type RoundTrip } from '../http/undici-client.js';
import type { Clock } from '../lib/clock.js';
import type { Target } from './target.js';

export interface TargetPorts {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly api: ApiCredentials;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The target of this name, connected. Loaded only now: a deploy needs one. */
export function connectTarget(name: TargetName, ports: TargetPorts): Promise<Target> {
  return CONNECT[name](ports);
}

export interface ApiPorts extends ApiInputs {
  readonly clock: Clock;
  readonly userAgent: string;
  readonly trace?: (roundTrip: RoundTrip) => void;
}

/**
 * The same, for a command that talks to the target's API and to no registry.
 * @throws DeployerError `usage`, `api_unauthorized`
 */
export async function connectApi(name: TargetName, ports: ApiPorts): Promise<Target> {
  const { env, clock, userAgent, trace } = ports;
  const api = await apiCredentials(ports);
  const dispatchers = new Dispatchers({ env });
  const http = new UndiciClient({ dispatchers, userAgent, ...(trace === undefined ? {} : { trace }) });
  return connectTarget(name, { http, clock, api, env });
}

/**
 * The app that flags, environment and file name, and its target, connected.
 * @throws DeployerError `usage`, `config_invalid`, `config_not_found`, `api_unauthorized`
 */
export async function connectApp(
  ports: ApiPorts & { readonly flags: AppFlags & ApiFlags },
): Promise<{ readonly app: string; readonly target: Target }> {
  const { app, target } = await loadAppConfig(ports);
  return { app, target: await connectApi(target, ports) };
}

const CONNECT: Readonly<Record<TargetName, (ports: TargetPorts) => Promise<Target>>> = {
  fly: async ({ http, clock, api, env }) => {
    const { FlyTarget } = await import('./fly/fly-target.js');
    const { flyRegistryHost } = await import('./fly/registry-host.js');
    const organization = env['FLY_ORG'];
    const registryHost = flyRegistryHost(env, api.url);
    return new FlyTarget({
      http,
      clock,
      apiUrl: api.url,
      authorization: api.authorization,
      tokenSource: api.source,
      ...(organization ? { organization } : {}),
      ...(registryHost === undefined ? {} : { registryHost }),
    });
  },
};
