import type { Clock } from '../../lib/clock.js';
import { cleanLine } from '../../lib/text.js';
import { appCreatedByAnother, machineCreatedByAnother } from './another-deploy.js';
import { isAmbiguous, isRejected } from './api-error.js';
import { isDestroyed, isInPassing, type Machine, type MachineConfig } from './machine.js';
import type { Nonce } from './api-transport.js';
import type { MachinesApi, MachineUpdate, NewMachine } from './machines-api.js';
import { belongsToRelease, METADATA } from './release-metadata.js';
import { within } from './within.js';

/** Writes whose answer was lost are looked for before they are tried again, so that none happens twice. */

const TRIES = 3;
const RETRY_MS = 1_000;
/** A process may take its whole kill_timeout to end, of five minutes at most. */
export const STEADY_WITHIN_MS = 330_000;
const POLL_MS = 500;
/** How long it is asked what became of a write. */
const ASK_MS = 30_000;

export interface Write {
  readonly api: MachinesApi;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Waits while a machine is on its way from one state to another, in which the API refuses to change it.
 * @returns the machine as it is then, or as it still is when it takes longer than any machine may
 */
export async function untilSteady({ api, clock, signal }: Write, machine: Machine): Promise<Machine> {
  const giveUpAt = clock.now() + STEADY_WITHIN_MS;
  let now = machine;
  while (isInPassing(now) && clock.now() < giveUpAt) {
    await clock.sleep(POLL_MS, signal);
    now = (await api.getMachine(machine.id, signal)) ?? now;
  }
  return now;
}

/** What `untilSteady` waits for. */
export function steadyAfter({ state }: Machine): string {
  return `waiting for it to be no longer ${cleanLine(state, 30)}`;
}

/**
 * Updates a machine once. When nobody knows whether the update was carried out (5xx, a broken connection), the
 * machine itself is asked; `current_version` keeps a second try from replacing anything but the old version.
 * @param present the machine as it was read, not on its way to another state: no other version of it is replaced
 */
export async function updateMachine(
  write: Write,
  present: Machine,
  update: MachineUpdate,
  nonce: Nonce,
): Promise<Machine> {
  const { api, clock, signal } = write;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await api.updateMachine(present, update, nonce, signal);
    } catch (error) {
      // After a first try, a conflict may be that try's own success.
      const unknown = isAmbiguous(error) || (attempt > 1 && isRejected(error));
      if (!unknown) throw error;
      // Not called off with the release: what became of the update has to be known then, too.
      const machine = await within(clock, ASK_MS, (end) => api.getMachine(present.id, end));
      if (machine !== undefined && carries(machine, present, update)) return machine;
      if (attempt === TRIES || !isAmbiguous(error)) throw error;
      await clock.sleep(RETRY_MS * attempt, signal);
    }
  }
}

function carries(machine: Machine, before: Machine, { config }: MachineUpdate): boolean {
  return (
    machine.instance_id !== before.instance_id &&
    machine.config?.image === config.image &&
    machine.config?.metadata?.[METADATA.releaseId] === config.metadata?.[METADATA.releaseId]
  );
}

/**
 * Creates a machine once. After a lost answer the app's machines are looked through for one of this release that
 * is not accounted for yet. Never run two of these at a time: they could take each other's machine.
 * @param machine its name is what keeps two first releases of an app apart: there is no machine yet to lock
 * @param accounted the machines of this release that are known to have been created before
 * @throws DeployerError `locked` when another release has created a machine of this name
 */
export async function createMachine(
  write: Write,
  machine: NewMachine,
  accounted: ReadonlySet<string>,
): Promise<Machine> {
  const { api, clock, signal } = write;
  let wanted = machine;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await api.createMachine(wanted, signal);
    } catch (error) {
      if (!isAmbiguous(error) && !isRejected(error)) throw error;
      // A machine may take a moment to show in the list.
      if (isAmbiguous(error)) await clock.sleep(RETRY_MS * attempt);
      const all = await within(clock, ASK_MS, (end) => api.listMachines(end));
      const found = all.find(
        (candidate) => isNewOf(candidate, machine.config) && !accounted.has(candidate.id),
      );
      if (found !== undefined) return found;
      const namesake = all.find(({ name }) => name && name === wanted.name);
      if (isRejected(error)) {
        if (namesake === undefined || attempt === TRIES) throw error;
        if (isDestroyed(namesake)) await clock.sleep(RETRY_MS * attempt, signal);
        else if (belongsToRelease(namesake.config)) throw machineCreatedByAnother(api.app, namesake, error);
        // Someone's own machine, which no release would touch: then there is nothing to tell releases apart by.
        else wanted = { ...machine, name: undefined };
      } else if (attempt === TRIES) throw error;
      signal.throwIfAborted();
    }
  }
}

function isNewOf({ config }: Machine, wanted: MachineConfig): boolean {
  return config?.metadata?.[METADATA.releaseId] === wanted.metadata?.[METADATA.releaseId];
}

/**
 * Creates the app once: after a lost answer it is looked for.
 * @throws DeployerError `locked` when it has come to be since it was looked for
 */
export async function createApp(api: MachinesApi, organization: string, signal: AbortSignal): Promise<void> {
  try {
    await api.createApp(organization, signal);
  } catch (error) {
    if (!isAmbiguous(error) && !isRejected(error)) throw error;
    if ((await api.getApp(signal)) === undefined) throw error;
    if (isRejected(error)) throw appCreatedByAnother(api.app, error);
  }
}
