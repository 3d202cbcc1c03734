import type { Clock } from '../../lib/clock.js';
import { DeployerError } from '../../lib/errors.js';
import { isAmbiguous } from './api-error.js';
import type { Machine, MachineConfig } from './machine.js';
import type { MachinesApi, MachineUpdate } from './machines-api.js';
import { METADATA } from './release-metadata.js';

/** Writes whose answer was lost are looked for before they are tried again, so that none happens twice. */

const TRIES = 3;
const RETRY_MS = 1_000;

export interface Write {
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Updates a machine once. When nobody knows whether the update was carried out (5xx, a broken connection), the
 * machine itself is asked; `current_version` keeps a second try from replacing anything but the old version.
 * @param nonce read anew for each try: a refreshed lease may have another one
 */
export async function updateMachine(
  write: Write,
  id: string,
  update: MachineUpdate,
  nonce: () => string | undefined,
): Promise<Machine> {
  const { api, clock, signal } = write;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await api.updateMachine(id, update, nonce(), signal);
    } catch (error) {
      // After a first try, a conflict may be that try's own success.
      const unknown = isAmbiguous(error) || (attempt > 1 && isRejected(error));
      if (!unknown) throw error;
      const machine = await api.getMachine(id);
      if (machine !== undefined && carries(machine, update)) return machine;
      if (attempt === TRIES || !isAmbiguous(error)) throw error;
      await clock.sleep(RETRY_MS * attempt, signal);
    }
  }
}

function isRejected(error: unknown): boolean {
  return error instanceof DeployerError && error.code === 'api_rejected';
}

function carries(machine: Machine, { config, currentVersion }: MachineUpdate): boolean {
  return (
    machine.instance_id !== currentVersion &&
    machine.config?.image === config.image &&
    machine.config?.metadata?.[METADATA.releaseId] === config.metadata?.[METADATA.releaseId]
  );
}

/**
 * Creates a machine once. After a lost answer the app's machines are looked through for one of this release that
 * is not accounted for yet. Never run two of these at a time: they could take each other's machine.
 * @param accounted the machines of this release that are known to have been created before
 */
export async function createMachine(
  write: Write,
  machine: { readonly config: MachineConfig; readonly region?: string },
  accounted: ReadonlySet<string>,
): Promise<Machine> {
  const { api, clock, signal } = write;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await api.createMachine(machine, signal);
    } catch (error) {
      if (!isAmbiguous(error)) throw error;
      // A machine may take a moment to show in the list.
      await clock.sleep(RETRY_MS * attempt);
      const found = await findCreated(api, machine.config, accounted);
      if (found !== undefined) return found;
      if (attempt === TRIES) throw error;
      signal.throwIfAborted();
    }
  }
}

async function findCreated(
  api: MachinesApi,
  config: MachineConfig,
  accounted: ReadonlySet<string>,
): Promise<Machine | undefined> {
  const releaseId = config.metadata?.[METADATA.releaseId];
  const machines = await api.listMachines();
  return machines.find(
    ({ id, config: there }) => !accounted.has(id) && there?.metadata?.[METADATA.releaseId] === releaseId,
  );
}
