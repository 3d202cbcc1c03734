import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmulatorOptions } from '../../src/emulator/emulator.js';
import type { Fault } from '../../src/emulator/machines/faults.js';
import type { Digest } from '../../src/oci/digest.js';
import { buildxIndex, type ImageOptions } from './image-fixtures.js';
import type { MachineAnswer } from './machines-client.js';
import { startProgram, type Finished, type RunningProgram, type RunOptions } from './program.js';
import { pushFixture } from './push-fixture.js';
import { makeTempFolder } from './temp-folder.js';
import { startTestEmulator, type TestEmulator } from './test-emulator.js';

/** An image that was pushed. */
export interface PushedImage {
  /** `localhost:PORT/shop:v1` */
  readonly reference: string;
  readonly digest: Digest;
  /** What a release hands over: `localhost:PORT/shop@sha256:..` */
  readonly byDigest: string;
}

export interface PushOptions extends ImageOptions {
  /** What becomes of its machines: killed for their memory as soon as they start, or never passing their check. */
  readonly fate?: 'out of memory' | 'never healthy';
}

/** A user with a project folder, a platform to deploy to, and the built program. */
export interface Stage extends AsyncDisposable {
  readonly platform: TestEmulator;
  /** Home and working directory, with a fly.toml. */
  readonly folder: string;
  /** Names the platform and its token. */
  readonly env: Readonly<Record<string, string>>;
  /** Pushes what buildx makes by default to the platform's registry. */
  push(tag: string, options?: PushOptions): Promise<PushedImage>;
  start(args: readonly string[], options?: RunOptions): RunningProgram;
  /** As `start`, to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Finished>;
  machines(app: string): Promise<readonly MachineAnswer[]>;
  /** Scripts a failure of the platform or of a machine. */
  fault(fault: Fault): Promise<void>;
}

/** With a check whose answer is there within a second, and is believed soon: tests have no time to lose. */
export function flyToml(app: string, machines = 1, minHealthyTime = '300ms'): string {
  return `app = "${app}"

[deploy]
  min_healthy_time = "${minHealthyTime}"

[http_service]
  internal_port = 8080
  min_machines_running = ${machines}

  [[http_service.checks]]
    path = "/"
    interval = "1s"
    timeout = "1s"
    grace_period = "0s"
`;
}

export async function setStage(options: Partial<EmulatorOptions> = {}): Promise<Stage> {
  const folder = await makeTempFolder('project');
  const platform = await startTestEmulator(options).catch(async (error: unknown) => {
    await folder.remove();
    throw error;
  });
  await writeFile(join(folder.path, 'fly.toml'), flyToml('shop'));
  const { registry, apiUrl, token } = platform.emulator;
  const env = { HOME: folder.path, DEPLOYER_API_URL: apiUrl, DEPLOYER_API_TOKEN: token };
  const start = (args: readonly string[], options: RunOptions = {}): RunningProgram =>
    startProgram(args, { cwd: folder.path, ...options, env: { ...env, ...options.env } });
  const fault = async (scripted: Fault): Promise<void> => {
    await platform.client.ok('POST /_emulator/faults', { body: scripted });
  };
  return {
    platform,
    folder: folder.path,
    env,
    fault,
    async push(tag, { fate, ...image } = {}) {
      const index = await buildxIndex({ message: tag, ...image });
      const url = `http://127.0.0.1:${registry.split(':')[1]}`;
      await pushFixture({ url, repository: 'shop' }, tag, index);
      const { digest } = index;
      const match = { imageDigest: digest };
      if (fate !== undefined) await fault({ match, effect: { checks: {} } });
      if (fate === 'out of memory') await fault({ match, effect: { oom: { afterMs: 0 } } });
      return { reference: `${registry}/shop:${tag}`, digest, byDigest: `${registry}/shop@${digest}` };
    },
    start,
    run: (args, run) => start(args, run).finished,
    machines: (app) => platform.client.ok<readonly MachineAnswer[]>(`GET /apps/${app}/machines`),
    async [Symbol.asyncDispose]() {
      try {
        await platform.stop();
      } finally {
        await folder.remove();
      }
    },
  };
}
