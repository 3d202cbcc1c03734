import { isStarted } from './health.js';
import type { Machine } from './machine.js';
import { LONGEST_WAIT_MS } from './machines-api.js';
import type { Watch } from './watch.js';

/** States in which waiting has an end, good or bad: the machine is then looked at. */
const SETTLED = ['started', 'stopped', 'suspended', 'failed', 'destroyed'];

/**
 * Waits until the machine's new version is started: long polls, each followed by a look, so that a machine
 * that dies on its way up is known at once and not after the whole timeout.
 * @throws DeployerError `release_failed`, `timed_out`
 */
export async function waitStarted(watch: Watch): Promise<Machine> {
  for (;;) {
    watch.tell('waiting for the machine to start');
    await watch.longPoll(SETTLED, LONGEST_WAIT_MS);
    const machine = await watch.look('it to start');
    if (machine !== undefined && isStarted(machine, watch.mark)) return machine;
    // The poll came back at once: not known yet, an API at fault, or stopped on the way up.
    await watch.pause();
  }
}
