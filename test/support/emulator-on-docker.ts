import { startDockerEngine, type DockerEngine } from './docker-engine.js';
import { buildxIndex } from './image-fixtures.js';
import { startTestEmulator, type TestEmulator } from './test-emulator.js';

/** An emulator with a Docker Engine of its own, and an image in its registry that answers on port 8080. */
export interface EmulatorOnDocker {
  readonly engine: DockerEngine;
  readonly test: TestEmulator;
  /** Of the app `shop`, with its registry and digest. */
  readonly image: string;
  stop(): Promise<void>;
}

export async function startEmulatorOnDocker(): Promise<EmulatorOnDocker> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const engine = await startDockerEngine();
    stops.push(() => engine.stop());
    const test = await startTestEmulator({ runtime: 'docker', env: { DOCKER_HOST: engine.dockerHost } });
    stops.push(() => test.stop());
    const image = await test.push('shop', await buildxIndex({ message: 'version one' }));
    return { engine, test, image, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
