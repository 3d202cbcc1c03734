import { markRun, whyDown } from './health.js';
import { isAsleep, type Machine, type MachineConfig } from './machine.js';

/** Started, or asleep until the next request wakes it; not one that has fallen over. */
export function isUp(machine: Machine): boolean {
  if (machine.state === 'started') return true;
  if (!isAsleep(machine) || !sleepsByItself(machine.config ?? {})) return false;
  return whyDown(machine, markRun(undefined, machine)) === undefined;
}

/** The platform stops and starts such a machine by traffic: asleep is as good as running. */
export function sleepsByItself(config: MachineConfig): boolean {
  return (config.services ?? []).some(
    ({ autostop, autostart }) => autostart === true || (autostop && autostop !== 'off'),
  );
}
