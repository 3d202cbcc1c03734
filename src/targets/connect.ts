import type { ApiCredentials } from '../config/api-credentials.js';
import type { TargetName } from '../config/deploy-config.js';
import type { HttpClient } from '../http/client.js';
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

const CONNECT: Readonly<Record<TargetName, (ports: TargetPorts) => Promise<Target>>> = {
  fly: async ({ http, clock, api, env }) => {
    const { FlyTarget } = await import('./fly/fly-target.js');
    const organization = env['FLY_ORG'];
    return new FlyTarget({
      http,
      clock,
      apiUrl: api.url,
      authorization: api.authorization,
      tokenSource: api.source,
      ...(organization ? { organization } : {}),
    });
  },
};
