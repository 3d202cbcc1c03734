import { randomUUID } from 'node:crypto';
import type { Reference } from '../../oci/reference.js';
import { ApiError } from './api-error.js';
import { App } from './app.js';
import type { StateFile } from './state-file.js';
import type { Supervisor, SupervisorPorts } from './supervisor.js';

/**
 * The digest that a reference names at this moment; undefined when it can't be known before the engine has pulled it.
 * @throws ApiError 400 when the image is not there
 */
export type ImageLookup = (reference: Reference) => Promise<string | undefined>;

export type PlatformPorts = Omit<SupervisorPorts, 'changed'> & {
  readonly lookUpImage: ImageLookup;
  readonly stateFile: StateFile;
};

/** How long an engine is waited for that is to remove what is left. */
const LEFTOVERS_MS = 4000;

/** All apps, in memory and on disk. */
export class Platform {
  readonly ports: PlatformPorts;
  readonly #emulatorId: string;
  readonly #apps = new Map<string, App>();
  #closed = false;

  private constructor(ports: PlatformPorts, emulatorId: string) {
    this.ports = ports;
    this.#emulatorId = emulatorId;
  }

  /**
   * Takes up the state of the last run, if there is one, and starts what was running then.
   * @param makePorts is given the id that tells this emulator's containers from another's
   * @throws DeployerError `usage` for a state file that can't be read
   */
  static async open(
    makePorts: (emulatorId: string) => Omit<PlatformPorts, 'stateFile'>,
    stateFile: StateFile,
  ): Promise<Platform> {
    const state = await stateFile.load();
    const emulatorId = state?.emulatorId ?? randomUUID();
    const platform = new Platform({ ...makePorts(emulatorId), stateFile }, emulatorId);
    await platform.ports.runtime.removeLeftovers();
    for (const record of state?.apps ?? []) platform.#apps.set(record.name, platform.#app(record));
    for (const app of platform.#apps.values()) await app.open();
    platform.#save();
    return platform;
  }

  /**
   * Ends every process and writes the state.
   * @throws DeployerError `engine_unavailable` when the engine is gone, and with it the means to end them
   */
  async close(): Promise<void> {
    this.#save();
    this.#closed = true;
    try {
      await Promise.all([...this.#apps.values()].map((app) => app.close()));
      await this.ports.runtime.removeLeftovers(LEFTOVERS_MS);
    } finally {
      this.ports.runtime.close();
      await this.ports.stateFile.flush();
    }
  }

  apps(organization: string): readonly App[] {
    return [...this.#apps.values()].filter((app) => app.organization === organization);
  }

  /** @throws ApiError 404 */
  app(name: string): App {
    const app = this.#apps.get(name);
    if (app === undefined) throw new ApiError('not_found', `app not found: ${name}`);
    return app;
  }

  /**
   * The machine that a request's path names.
   * @throws ApiError 404
   */
  machineOf(params: Readonly<Record<string, string>>): Supervisor {
    return this.app(params['app'] ?? '').machine(params['machine'] ?? '');
  }

  /** @throws ApiError 422 when the name is taken, 503 when the emulator is closing */
  async createApp(name: string, organization: string, network: string): Promise<App> {
    if (this.#apps.has(name)) {
      const error = 'Validation failed: Name has already been taken';
      throw new ApiError('unprocessable', error, { error, status: 'name_taken' });
    }
    if (this.#closed) throw new ApiError('unavailable', 'the emulator is closing');
    const created_at = new Date(this.ports.clock.now()).toISOString();
    const app = this.#app({ id: randomUUID(), name, organization, network, created_at, machines: [] });
    this.#apps.set(name, app);
    await app.open();
    this.#save();
    return app;
  }

  /** @throws ApiError 404 */
  async deleteApp(name: string): Promise<void> {
    const app = this.app(name);
    this.#apps.delete(name);
    await app.destroy();
    this.#save();
  }

  #app(record: ConstructorParameters<typeof App>[0]): App {
    return new App(record, { ...this.ports, changed: () => this.#save() });
  }

  // What ends while the emulator closes is not the machines' doing, and is not written.
  #save(): void {
    if (this.#closed) return;
    this.ports.stateFile.save({
      version: 1,
      emulatorId: this.#emulatorId,
      apps: [...this.#apps.values()].map((app) => app.toRecord()),
    });
  }
}
