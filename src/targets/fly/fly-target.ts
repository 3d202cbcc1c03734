import type { HttpClient } from '../../http/client.js';
import type { Clock } from '../../lib/clock.js';
import { DeployerError } from '../../lib/errors.js';
import type {
  AppStatus,
  Capabilities,
  OwnRepository,
  ReleaseContext,
  ReleaseOutcome,
  ReleaseRecord,
  ReleaseRequest,
  Target,
} from '../target.js';
import { ApiTransport, apiBase } from './api-transport.js';
import { appUrl } from './app-url.js';
import { flyCapabilities, flyCapabilitiesWith } from './capabilities.js';
import { releasesOf, type MachineHistory, type PastRelease } from './history.js';
import { MachinesApi } from './machines-api.js';
import { planRelease, type FlyPlan, type FlyState } from './plan.js';
import { flyRepository } from './registry-host.js';
import { release } from './release.js';
import { machinesOfReleases } from './release-metadata.js';
import { unitOf } from './unit.js';

export interface FlyTargetOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  /** `https://api.machines.dev`, with or without a version. */
  readonly apiUrl: string;
  readonly authorization?: string;
  /** Where the token came from: `FLY_API_TOKEN`, `--token-file`. */
  readonly tokenSource?: string;
  /** Where an app is created that is not there yet: FLY_ORG; `personal` unless told. */
  readonly organization?: string;
  /** From where its machines pull: `registry.fly.io`. */
  readonly registryHost?: string;
}

/** Fly Machines. */
export class FlyTarget implements Target<FlyState, FlyPlan> {
  readonly name = 'fly';
  readonly capabilities: Capabilities;
  readonly #transport: ApiTransport;
  readonly #clock: Clock;
  readonly #apiUrl: string;
  readonly #organization: string;
  readonly #registryHost: string | undefined;

  constructor(options: FlyTargetOptions) {
    this.#apiUrl = apiBase(options.apiUrl);
    this.#clock = options.clock;
    this.#organization = options.organization ?? 'personal';
    this.#registryHost = options.registryHost;
    this.capabilities =
      options.registryHost === undefined ? flyCapabilities : flyCapabilitiesWith(options.registryHost);
    this.#transport = new ApiTransport({ ...options, base: this.#apiUrl });
  }

  repositoryFor(app: string): OwnRepository {
    return flyRepository(this.#registryHost, app);
  }

  async inspect(app: string, signal: AbortSignal, restore?: ReleaseRecord): Promise<FlyState> {
    const state = await this.#read(this.#api(app), signal);
    if (restore === undefined) return state;
    const past = await this.#past(state, signal);
    const found = past.find(({ record }) => record.version === restore.version);
    return found?.config === undefined
      ? state
      : { ...state, restore: { record: found.record, config: found.config } };
  }

  plan(request: ReleaseRequest, state: FlyState): FlyPlan {
    return planRelease(request, state);
  }

  async release(plan: FlyPlan, context: ReleaseContext): Promise<ReleaseOutcome> {
    const api = this.#api(plan.state.app);
    const read = (signal: AbortSignal): Promise<FlyState> => this.#read(api, signal);
    return release(plan, context, { api, clock: this.#clock, read });
  }

  async status(app: string, signal: AbortSignal): Promise<AppStatus> {
    const state = await this.#readExisting(app, signal);
    const past = await this.#past(state, signal);
    const running = past.find(({ record }) => record.units > 0);
    const url = appUrl(state);
    return {
      app,
      target: this.name,
      ...(running === undefined ? {} : { release: running.record }),
      units: state.machines.map(unitOf),
      ...(url === undefined ? {} : { url }),
    };
  }

  async releases(app: string, signal: AbortSignal): Promise<readonly ReleaseRecord[]> {
    const state = await this.#readExisting(app, signal);
    return (await this.#past(state, signal)).map(({ record }) => record);
  }

  async #past(state: FlyState, signal: AbortSignal): Promise<readonly PastRelease[]> {
    const api = this.#api(state.app);
    const histories = state.machines.map(async (machine): Promise<MachineHistory> => ({
      machine,
      versions: await api.versions(machine.id, signal),
    }));
    return releasesOf(await Promise.all(histories));
  }

  async #readExisting(app: string, signal: AbortSignal): Promise<FlyState> {
    const state = await this.#read(this.#api(app), signal);
    if (state.exists) return state;
    throw new DeployerError('app_not_found', `there is no app ${app}`, {
      evidence: [`GET ${this.#apiUrl}/apps/${encodeURIComponent(app)}: 404`],
      suggestions: [
        'check the spelling of the app: --app NAME, FLY_APP',
        `deployer deploy --app ${app} --image REF   (creates it)`,
      ],
    });
  }

  async #read(api: MachinesApi, signal: AbortSignal): Promise<FlyState> {
    const app = await api.getApp(signal);
    const base = { app: api.app, apiUrl: this.#apiUrl, organization: this.#organization };
    if (app === undefined) return { ...base, exists: false, machines: [], addresses: 0 };
    const machines = machinesOfReleases(await api.listMachines(signal));
    const addresses = machines.length === 0 ? await api.countAddresses(signal) : undefined;
    return {
      ...base,
      exists: true,
      machines,
      ...(addresses === undefined ? {} : { addresses }),
      ...(app.deployer_url ? { url: app.deployer_url } : {}),
    };
  }

  #api(app: string): MachinesApi {
    return new MachinesApi(this.#transport, app);
  }
}
