import type { DeployConfig, HttpService } from '../../../../src/config/deploy-config.js';
import { digestOf } from '../../../../src/oci/digest.js';
import type { ExitEvent, Machine, MachineConfig, MachineEvent } from '../../../../src/targets/fly/machine.js';
import type { FlyState } from '../../../../src/targets/fly/plan.js';
import type { ReleaseRequest } from '../../../../src/targets/target.js';

export const IMAGE = {
  requested: 'registry.fly.io/shop:v2',
  deployed: `registry.fly.io/shop@${digestOf('v2')}`,
  digest: digestOf('v2'),
};

export const HTTP: HttpService = {
  internalPort: 8080,
  forceHttps: true,
  autoStop: 'stop',
  autoStart: true,
  minMachinesRunning: 0,
  checks: [
    {
      method: 'GET',
      path: '/up',
      intervalMs: 15_000,
      timeoutMs: 2500,
      gracePeriodMs: 1000,
      headers: { 'X-Probe': 'deployer' },
    },
  ],
};

export function configOf(change: Partial<DeployConfig> = {}): DeployConfig {
  const base = { target: 'fly' as const, app: 'shop', appFlags: '', strategy: 'rolling' as const };
  return { ...base, env: {}, waitTimeoutMs: 300_000, file: 'fly.toml', sources: {}, ...change };
}

export function requestOf(change: Partial<ReleaseRequest> = {}): ReleaseRequest {
  return {
    config: configOf(),
    image: IMAGE,
    releaseId: 'r-2',
    rollback: true,
    detach: false,
    lockWaitMs: 0,
    ...change,
  };
}

export function machineOf(
  id: string,
  change: Partial<Machine> & { readonly version?: number } = {},
): Machine {
  const { version = 1, ...rest } = change;
  return {
    id,
    state: 'started',
    instance_id: `01J0000000000000000000000${id}`,
    updated_at: '2026-01-01T00:00:00Z',
    config: {
      image: `registry.fly.io/shop@${digestOf('v1')}`,
      env: {},
      metadata: {
        fly_platform_version: 'v2',
        fly_process_group: 'app',
        fly_release_id: `r-${version}`,
        fly_release_version: String(version),
      },
    },
    ...rest,
  };
}

export function stateOf(machines: readonly Machine[], change: Partial<FlyState> = {}): FlyState {
  return {
    app: 'shop',
    apiUrl: 'https://api.machines.dev/v1',
    organization: 'personal',
    exists: true,
    machines,
    ...change,
  };
}

export function exitEvent(id: string, at: number, exit: ExitEvent = { exit_code: 1 }): MachineEvent {
  return {
    id,
    type: 'exit',
    status: 'stopped',
    source: 'flyd',
    timestamp: at,
    request: { exit_event: exit },
  };
}

export function withConfig(machine: Machine, change: Partial<MachineConfig>): Machine {
  return { ...machine, config: { ...machine.config, ...change } };
}
