import { join } from 'node:path';
import { startEmulator, type EmulatorOptions, type RunningEmulator } from '../../src/emulator/emulator.js';
import type { FixtureManifest } from './image-fixtures.js';
import { MachinesClient, type MachineAnswer } from './machines-client.js';
import { pushFixture } from './push-fixture.js';
import { makeTempFolder } from './temp-folder.js';

export interface TestEmulator extends AsyncDisposable {
  readonly emulator: RunningEmulator;
  readonly client: MachinesClient;
  /** What it has said so far. */
  readonly lines: readonly string[];
  /** `localhost:PORT/NAME@sha256:..` of a fixture that is put into its registry. */
  push(name: string, image: FixtureManifest): Promise<string>;
  /** Polls the machine until it is as it should be. */
  machineThat(
    path: string,
    fits: (machine: MachineAnswer) => boolean,
    timeoutMs?: number,
  ): Promise<MachineAnswer>;
  /** Closes it and starts another on the same data, as after a reboot. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** An emulator on free ports with data of its own; without rate limits unless told. */
export async function startTestEmulator(options: Partial<EmulatorOptions> = {}): Promise<TestEmulator> {
  const folder = await makeTempFolder('emulator');
  const lines: string[] = [];
  const start = (): Promise<RunningEmulator> =>
    startEmulator({
      dataDir: join(folder.path, 'data'),
      registryPort: 0,
      apiPort: 0,
      runtime: 'none',
      legacyAccept: false,
      env: {},
      rateLimits: false,
      log: (line) => lines.push(line),
      ...options,
    });
  let emulator = await start().catch(async (error: unknown) => {
    await folder.remove();
    throw error;
  });
  let client = new MachinesClient(emulator.apiUrl, emulator.token);
  const stop = async (): Promise<void> => {
    try {
      await emulator.close();
    } finally {
      await folder.remove();
    }
  };
  return {
    get emulator() {
      return emulator;
    },
    get client() {
      return client;
    },
    lines,
    async push(name, image) {
      const url = `http://127.0.0.1:${emulator.registry.split(':')[1]}`;
      await pushFixture({ url, repository: name }, 'v1', image);
      return `${emulator.registry}/${name}@${image.digest}`;
    },
    async machineThat(path, fits, timeoutMs = 10_000) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const machine = await client.ok<MachineAnswer>(`GET ${path}`);
        if (fits(machine)) return machine;
        if (Date.now() > deadline)
          throw new Error(`${path} did not come to be so: ${JSON.stringify(machine, null, 1)}`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    async restart() {
      await emulator.close();
      emulator = await start();
      client = new MachinesClient(emulator.apiUrl, emulator.token);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
