import type { DeployConfig, HttpService } from '../../../src/config/deploy-config.js';
import { MachinesServer } from '../../../src/emulator/machines/api/server.js';
import { Faults, type Fault } from '../../../src/emulator/machines/faults.js';
import { Platform } from '../../../src/emulator/machines/platform.js';
import { StateFile } from '../../../src/emulator/machines/state-file.js';
import { noRuntime } from '../../../src/emulator/runtime/none.js';
import type { Runtime } from '../../../src/emulator/runtime/runtime.js';
import type { HttpClient, HttpRequest } from '../../../src/http/client.js';
import { Dispatchers } from '../../../src/http/dispatchers.js';
import { UndiciClient, type RoundTrip } from '../../../src/http/undici-client.js';
import type { Clock } from '../../../src/lib/clock.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { digestOf, type Digest } from '../../../src/oci/digest.js';
import { FlyTarget } from '../../../src/targets/fly/fly-target.js';
import type { ReleaseEvent, ReleaseOutcome, ReleaseRequest } from '../../../src/targets/target.js';
import { fastClock } from '../../support/fast-clock.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

export const APP = 'shop';
const TOKEN = 'test-token';

/** What `v` is called in these tests: an image of its own, by digest. */
export function imageOf(name: string): { requested: string; deployed: string; digest: Digest } {
  const digest = digestOf(name);
  return {
    requested: `registry.fly.io/${APP}:${name}`,
    deployed: `registry.fly.io/${APP}@${digest}`,
    digest,
  };
}

export const WEB: HttpService = {
  internalPort: 8080,
  forceHttps: true,
  autoStop: 'off',
  autoStart: false,
  minMachinesRunning: 1,
  checks: [{ method: 'GET', path: '/up', intervalMs: 1000, timeoutMs: 500, gracePeriodMs: 200, headers: {} }],
};

function configOf(change: Partial<DeployConfig> = {}): DeployConfig {
  return {
    target: 'fly',
    app: APP,
    appFlags: '',
    env: {},
    strategy: 'rolling',
    waitTimeoutMs: 60_000,
    file: 'fly.toml',
    httpService: WEB,
    sources: {},
    ...change,
  };
}

export interface DeployOptions {
  readonly config?: Partial<DeployConfig>;
  readonly rollback?: boolean;
  readonly detach?: boolean;
  readonly lockWaitMs?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ReleaseEvent) => void;
}

export interface Deployed {
  readonly outcome: ReleaseOutcome;
  readonly events: readonly ReleaseEvent[];
}

/** A machine as the emulator really has it. */
export interface Ground {
  readonly id: string;
  readonly state: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly leased: boolean;
}

interface Slowness {
  stopMs: number;
}

function slowToStop(clock: Clock, slowness: Slowness): Runtime {
  const runtime = noRuntime('test');
  return {
    ...runtime,
    start: async (spec, signal) => {
      const instance = await runtime.start(spec, signal);
      const stop = instance.stop.bind(instance);
      instance.stop = async (signal, timeoutMs) => {
        await clock.sleep(slowness.stopMs);
        await stop(signal, timeoutMs);
      };
      return instance;
    },
  };
}

/** The emulator's Machines API over loopback, with simulated machines, and a Fly target that talks to it. */
export class FlyEmulator {
  readonly target: FlyTarget;
  readonly url: string;
  readonly clock: Clock;
  readonly http: HttpClient;
  /** Told of every request of the target. */
  trace: (roundTrip: RoundTrip) => void = () => undefined;
  /** Told of every request before it is sent. */
  asked: (request: HttpRequest) => void = () => undefined;
  /** Says of which requests there is never an answer. */
  unanswered: (request: HttpRequest) => boolean = () => false;
  /** Says which requests meet nobody who listens. */
  refused: (request: HttpRequest) => boolean = () => false;
  readonly #slowness: Slowness;
  readonly #platform: Platform;
  readonly #server: MachinesServer;
  readonly #folder: TempFolder;
  #releases = 0;

  private constructor(
    platform: Platform,
    server: MachinesServer,
    url: string,
    clock: Clock,
    folder: TempFolder,
    slowness: Slowness,
  ) {
    this.#slowness = slowness;
    this.#platform = platform;
    this.#server = server;
    this.#folder = folder;
    this.url = url;
    this.clock = clock;
    const client = new UndiciClient({
      dispatchers: new Dispatchers({ env: {} }),
      userAgent: 'deployer/test',
      trace: (roundTrip) => this.trace(roundTrip),
    });
    this.http = {
      send: (request) => {
        this.asked(request);
        if (this.refused(request))
          return Promise.reject(new DeployerError('connection_refused', 'nothing listens there'));
        return this.unanswered(request) ? this.#silence(request) : client.send(request);
      },
      close: () => client.close(),
    };
    this.target = this.targetWith(`Bearer ${TOKEN}`);
  }

  static async start(options: { speed?: number; rateLimits?: boolean } = {}): Promise<FlyEmulator> {
    const { speed = 40, rateLimits = true } = options;
    const clock = fastClock(speed);
    const folder = await makeTempFolder('fly');
    const stateFile = new StateFile(folder.path, (error) => {
      throw error;
    });
    const slowness: Slowness = { stopMs: 0 };
    const ports = {
      clock,
      stateFile,
      faults: new Faults(),
      runtime: slowToStop(clock, slowness),
      log: () => undefined,
      lookUpImage: (reference: { digest?: string }) => Promise.resolve(reference.digest),
    };
    const platform = await Platform.open(() => ports, stateFile);
    const server = new MachinesServer(platform, { token: TOKEN, rateLimits });
    const port = await server.listen(0);
    return new FlyEmulator(platform, server, `http://127.0.0.1:${port}`, clock, folder, slowness);
  }

  async stop(): Promise<void> {
    await this.http.close();
    await this.#server.close();
    await this.#platform.close();
    await this.#folder.remove();
  }

  /** As the client of HTTP gives up: called off, or when no headers have come in their time. */
  async #silence({ signal, headersTimeoutMs = 30_000 }: HttpRequest): Promise<never> {
    await this.clock.sleep(headersTimeoutMs, signal);
    throw new DeployerError('connection_timed_out', 'no answer');
  }

  targetWith(authorization: string): FlyTarget {
    return new FlyTarget({
      http: this.http,
      clock: this.clock,
      apiUrl: this.url,
      authorization,
      tokenSource: 'FLY_API_TOKEN',
    });
  }

  fault(fault: Fault): void {
    this.#platform.ports.faults.add(fault);
  }

  clearFaults(): void {
    this.#platform.ports.faults.clear();
  }

  /** Deploys an image as the core does: inspect, plan, release. */
  async deploy(image: string, options: DeployOptions = {}): Promise<Deployed> {
    return this.release(this.request(image, options), options);
  }

  /** As `deploy`, and fails with what the release failed with. */
  async succeed(image: string, options: DeployOptions = {}): Promise<Deployed> {
    const deployed = await this.deploy(image, options);
    const { outcome, events } = deployed;
    if (outcome.status === 'succeeded') return deployed;
    const error = 'error' in outcome ? [outcome.error.message, ...outcome.error.evidence] : [];
    const lines = [...error, ...events.map((event) => JSON.stringify(event))];
    throw new Error(`${outcome.status}: ${lines.join('\n')}`);
  }

  request(image: string, options: DeployOptions = {}): ReleaseRequest {
    this.#releases += 1;
    return {
      config: configOf(options.config),
      image: imageOf(image),
      releaseId: `release-${this.#releases}`,
      rollback: options.rollback ?? true,
      detach: options.detach ?? false,
      lockWaitMs: options.lockWaitMs ?? 60_000,
    };
  }

  async release(request: ReleaseRequest, options: DeployOptions = {}): Promise<Deployed> {
    const signal = options.signal ?? new AbortController().signal;
    const events: ReleaseEvent[] = [];
    const report = (event: ReleaseEvent): void => {
      events.push(event);
      options.onEvent?.(event);
    };
    const state = await this.target.inspect(APP, signal);
    const outcome = await this.target.release(this.target.plan(request, state), { report, signal });
    return { outcome, events };
  }

  /** An app with so many machines, healthy on `old` as v1. */
  async seed(machines: number, options: DeployOptions = {}): Promise<readonly string[]> {
    const httpService = { ...WEB, ...options.config?.httpService, minMachinesRunning: machines };
    const config = { minHealthyMs: 0, ...options.config, httpService, strategy: 'immediate' as const };
    const { outcome } = await this.succeed('old', { ...options, config });
    return outcome.units.map(({ id }) => id).sort();
  }

  /** What is really there, past the API; by id. */
  machines(): readonly Ground[] {
    return this.#platform
      .app(APP)
      .machines()
      .map(({ machine }) => ({
        id: machine.id,
        state: machine.state,
        image: machine.config.image,
        env: machine.config.env ?? {},
        metadata: machine.config.metadata ?? {},
        leased: machine.lease !== undefined && machine.lease.expires_at * 1000 > this.clock.now(),
      }))
      .filter(({ state }) => state !== 'destroyed')
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** As if the machine's lease had run out. */
  dropLease(id: string): void {
    const supervisor = this.#platform.app(APP).machine(id);
    supervisor.amend(({ lease: _dropped, ...machine }) => machine);
  }

  /** From now on a machine's process takes so long to end when it is told to. */
  slowStops(ms: number): void {
    this.#slowness.stopMs = ms;
  }

  /** As the platform's autostop does: no lock keeps it from that. */
  stopMachine(id: string): void {
    this.#platform.app(APP).machine(id).stop();
  }

  /** As if its process had been killed on its host. */
  killMachine(id: string): void {
    void this.#platform.app(APP).machine(id).signal('SIGKILL');
  }

  /** One request past the target: what another client of the API does. */
  async api(method: string, path: string, body?: unknown, nonce?: string): Promise<unknown> {
    const response = await fetch(`${this.url}/v1/apps/${APP}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        'content-type': 'application/json',
        ...(nonce === undefined ? {} : { 'fly-machine-lease-nonce': nonce }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status === 429) {
      await this.clock.sleep(1000);
      return this.api(method, path, body, nonce);
    }
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}
