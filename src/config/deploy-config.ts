/** What a target may be called on the command line and in deployer.toml. */
export const TARGET_NAMES = ['fly'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

export const STRATEGIES = ['rolling', 'immediate'] as const;
/** canary and bluegreen are recognised and refused until they are built. */
export type Strategy = (typeof STRATEGIES)[number];

/** An HTTP check of a service, as fly.toml's `[[http_service.checks]]`. Times in milliseconds. */
export interface HttpCheck {
  readonly method: string;
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly gracePeriodMs: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** fly.toml's `[http_service]`. */
export interface HttpService {
  readonly internalPort: number;
  readonly forceHttps: boolean;
  readonly autoStop: 'off' | 'stop' | 'suspend';
  readonly autoStart: boolean;
  readonly minMachinesRunning: number;
  readonly checks: readonly HttpCheck[];
}

/** One typed configuration out of flags, environment, the project's file and defaults, in this precedence. */
export interface DeployConfig {
  readonly target: TargetName;
  readonly app: string;
  readonly image?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly httpService?: HttpService;
  readonly primaryRegion?: string;
  readonly strategy: Strategy;
  readonly waitTimeoutMs: number;
  /** How long a machine has to stay healthy before that is believed; the target knows what is usual. */
  readonly minHealthyMs?: number;
  /** The file that was read. */
  readonly file?: string;
  /** Where each value came from: `flag --env`, `env FLY_APP`, `fly.toml:12`, `default`. */
  readonly sources: Readonly<Record<string, string>>;
}
