import { markRun, whyDown } from './health.js';
import { isAsleep, type Machine, type MachineConfig, type MachineService } from './machine.js';

/** Started, or put to sleep until the next request wakes it; not one that has fallen over, or that someone has stopped. */
export function isUp(machine: Machine): boolean {
  if (machine.state === 'started') return true;
  if (!isAsleep(machine) || !sleepsByItself(machine.config ?? {})) return false;
  return whyDown(machine, markRun(undefined, machine)) === undefined;
}

/** The platform both stops and starts such a machine by traffic: asleep is as good as running. */
function sleepsByItself({ services }: MachineConfig): boolean {
  return (services ?? []).some((service) => isStoppedByTraffic(service) && service.autostart !== false);
}

/** Whether a release leaves such a machine stopped: as flyctl does where the platform has a hand in when it runs. */
export function mayStayAsleep({ services }: MachineConfig): boolean {
  return (services ?? []).some((service) => isStoppedByTraffic(service) || service.autostart === true);
}

function isStoppedByTraffic({ autostop }: MachineService): boolean {
  return Boolean(autostop) && autostop !== 'off';
}

/** How many machines have to run at least, whatever the traffic. */
export function minRunning({ services }: MachineConfig): number {
  return Math.max(0, ...(services ?? []).map(({ min_machines_running: least }) => least ?? 0));
}
