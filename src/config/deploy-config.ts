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

/** fly.toml's `[[vm]]`; what it leaves out stays as it is on the machines. */
export interface MachineSize {
  readonly cpuKind?: 'shared' | 'performance';
  readonly cpus?: number;
  readonly memoryMb?: number;
}

/** How an image is built, as `[build]` says. */
export interface BuildConfig {
  /** Of the file, as seen from where the program runs: what is built from, unless told. */
  readonly folder: string;
  /** As seen from where the program runs. */
  readonly dockerfile?: string;
  /** The stage. */
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  readonly provenance?: 'off' | 'min' | 'max';
  /** Where the file says it: `fly.toml:6: build.dockerfile`. */
  readonly sources: Readonly<Partial<Record<'dockerfile' | 'build-target' | 'provenance', string>>>;
}

/** One typed configuration out of flags, environment, the project's file and defaults, in this precedence. */
export interface DeployConfig {
  readonly target: TargetName;
  readonly app: string;
  /** How the app was named on the command line, for commands that go on from here: ` --app shop`; else empty. */
  readonly appFlags: string;
  readonly image?: string;
  readonly build?: BuildConfig;
  readonly env: Readonly<Record<string, string>>;
  readonly httpService?: HttpService;
  readonly machineSize?: MachineSize;
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
