import { homedir } from 'node:os';
import { formatEngineAddress } from './address.js';
import { connectEngine } from './connect.js';
import { Engine } from './engine.js';

/** An engine that answers, and where it does: `unix:///var/run/docker.sock`. */
export interface ReachedEngine {
  readonly engine: Engine;
  readonly address: string;
}

/**
 * The engine to build with: Docker's or Podman's, of the present user.
 * @throws as `connectEngine`
 */
export async function reachEngine(env: Readonly<Record<string, string | undefined>>): Promise<ReachedEngine> {
  const { docker, address } = await connectEngine({ env, home: homedir(), podman: true });
  return { engine: new Engine(docker), address: formatEngineAddress(address) };
}
