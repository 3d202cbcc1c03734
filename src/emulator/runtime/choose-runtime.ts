import type Docker from 'dockerode';
import { formatEngineAddress } from '../../engine/address.js';
import { connectEngine } from '../../engine/connect.js';
import type { EngineSurroundings } from '../../engine/places.js';
import { DeployerError } from '../../lib/errors.js';
import { DockerRuntime } from './docker.js';
import { noRuntime } from './none.js';
import type { Runtime, RuntimeChoice } from './runtime.js';

const WITHOUT = 'or leave it alone: --runtime none simulates machines';

/**
 * `auto`: Docker if an engine answers, else none, with the reason in its description.
 * @returns makes the runtime for an emulator of this id
 * @throws DeployerError `engine_unavailable` for `docker` when no engine answers; `usage` or `config_invalid` for an
 * address or context of it that makes no sense
 */
export async function chooseRuntime(
  choice: RuntimeChoice,
  surroundings: EngineSurroundings,
): Promise<(emulatorId: string) => Runtime> {
  if (choice === 'none') return () => noRuntime('machines are simulated, as asked for');
  try {
    const { docker, address } = await connectEngine(surroundings, WITHOUT);
    await requireBridge(docker, formatEngineAddress(address));
    return (emulatorId) =>
      new DockerRuntime(docker, emulatorId, `Docker Engine at ${formatEngineAddress(address)}`);
  } catch (error) {
    const isNone = error instanceof DeployerError && error.code === 'engine_unavailable';
    if (choice === 'docker' || !isNone) throw error;
    const { message, evidence } = error;
    return () => noRuntime(`machines are simulated: ${[message, ...evidence].join('; ')}`);
  }
}

/** Without one (dockerd --bridge=none) containers run, but no port of theirs is ever published: no check can pass. */
async function requireBridge(engine: Docker, address: string): Promise<void> {
  const networks = await engine.listNetworks();
  if (networks.some(({ Driver }) => Driver === 'bridge' || Driver === 'nat')) return;
  throw new DeployerError(
    'engine_unavailable',
    `the Docker Engine at ${address} has no bridge network: no port of a container can be reached`,
    {
      suggestions: ['start it without --bridge=none', WITHOUT],
    },
  );
}
