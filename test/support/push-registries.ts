import { startDockerRegistry } from './docker-registry.js';
import { startEmulatorRegistry } from './emulator-registry.js';
import type { Part } from './requirements.js';

export interface PushRegistry extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** The registries that are pushed to, each a real one. */
export const PUSH_REGISTRIES: readonly {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly start: () => Promise<PushRegistry>;
}[] = [
  { name: 'docker-registry 2.8.2', parts: ['docker-registry'], start: () => startDockerRegistry() },
  { name: "the emulator's registry", parts: [], start: () => startEmulatorRegistry() },
];
