import type { Clock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { cleanText } from '../../lib/text.js';
import type { StartFaults } from './faults.js';
import { askHttp, askTcp, OUTPUT_LIMIT, type CheckAnswer } from './health-check.js';
import { durationMs, type CheckConfig, type MachineConfig } from './machine-config.js';

export interface CheckResult {
  readonly name: string;
  readonly status: 'passing' | 'warning' | 'critical';
  readonly output: string;
  readonly updated_at: string;
}

/** A check with its name, and what it asks. */
export interface NamedCheck {
  readonly name: string;
  readonly port: number | undefined;
  readonly config: CheckConfig;
}

// What Fly does where a check does not say.
const DEFAULT_INTERVAL_MS = 15_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const SHORTEST_INTERVAL_MS = 50;
/** A machine that came up a moment after its first check is not kept waiting for a whole interval. */
const UNTIL_FIRST_PASS_MS = 1000;

/** The checks of a configuration: of services `servicecheck-00-http-8080`, others by the key they are given. */
export function checksOf(config: MachineConfig): readonly NamedCheck[] {
  let nth = 0;
  const ofServices = (config.services ?? []).flatMap((service) =>
    (service.checks ?? []).map((check) => {
      const port = check.port ?? service.internal_port;
      const number = String(nth).padStart(2, '0');
      nth += 1;
      return { name: `servicecheck-${number}-${check.type ?? 'tcp'}-${port}`, port, config: check };
    }),
  );
  const named = Object.entries(config.checks ?? {}).map(([name, check]) => ({
    name,
    port: check.port ?? config.services?.[0]?.internal_port,
    config: check,
  }));
  return [...ofServices, ...named];
}

/** Runs a started machine's checks against its published ports until it is stopped. */
export class CheckMonitor {
  readonly #clock: Clock;
  readonly #ports: ReadonlyMap<number, number>;
  readonly #simulated: boolean;
  readonly #faults: StartFaults['checks'];
  readonly #startedAt: number;
  readonly #abort = new AbortController();
  readonly #results = new Map<string, CheckResult>();

  constructor(options: {
    readonly checks: readonly NamedCheck[];
    readonly ports: ReadonlyMap<number, number>;
    /** Nothing really runs: checks pass, and say so. */
    readonly simulated: boolean;
    readonly faults: StartFaults['checks'];
    readonly clock: Clock;
  }) {
    this.#clock = options.clock;
    this.#ports = options.ports;
    this.#simulated = options.simulated;
    this.#faults = options.faults;
    this.#startedAt = options.clock.now();
    for (const check of options.checks) {
      this.#record(check.name, 'warning', 'waiting for the first result');
      void this.#repeat(check);
    }
  }

  results(): readonly CheckResult[] {
    return [...this.#results.values()];
  }

  stop(): void {
    this.#abort.abort();
  }

  async #repeat(check: NamedCheck): Promise<void> {
    const interval = Math.max(SHORTEST_INTERVAL_MS, durationMs(check.config.interval, DEFAULT_INTERVAL_MS));
    let passed = false;
    try {
      await this.#clock.sleep(durationMs(check.config.grace_period, 0), this.#abort.signal);
      for (;;) {
        const { status, output } = await this.#run(check);
        if (this.#abort.signal.aborted) return;
        this.#record(check.name, status, output);
        passed ||= status === 'passing';
        const pause = passed ? interval : Math.min(interval, UNTIL_FIRST_PASS_MS);
        await this.#clock.sleep(pause, this.#abort.signal);
      }
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#record(check.name, 'critical', messageOf(error));
    }
  }

  async #run(check: NamedCheck): Promise<CheckAnswer> {
    const fault = this.#faults;
    const ranMs = this.#clock.now() - this.#startedAt;
    if (fault !== undefined && ranMs >= (fault.failAfterMs ?? 0) && ranMs < (fault.passAfterMs ?? Infinity)) {
      return { status: 'critical', output: fault.output ?? 'scripted fault: the check does not pass' };
    }
    if (this.#simulated)
      return { status: 'passing', output: 'simulated: no process runs that could be asked' };
    const port = check.port === undefined ? undefined : this.#ports.get(check.port);
    if (port === undefined) {
      return { status: 'critical', output: `port ${check.port ?? '(none)'} is not published` };
    }
    const timeoutMs = durationMs(check.config.timeout, DEFAULT_TIMEOUT_MS);
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#abort.signal]);
    try {
      return check.config.type === 'http'
        ? await askHttp(check.config, port, signal)
        : await askTcp(port, signal);
    } catch (error) {
      const why = signal.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error);
      return { status: 'critical', output: cleanText(why, OUTPUT_LIMIT) };
    }
  }

  #record(name: string, status: CheckResult['status'], output: string): void {
    const updated_at = new Date(this.#clock.now()).toISOString();
    this.#results.set(name, { name, status, output, updated_at });
  }
}
