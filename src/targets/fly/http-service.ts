import type { HttpCheck, HttpService } from '../../config/deploy-config.js';
import type { MachinePort, MachineService } from './machine.js';

/**
 * The machine service that `[http_service]` stands for: port 80 and, with TLS, port 443.
 * @param existing the service it replaces; what `[http_service]` doesn't speak of (concurrency, TLS options) stays
 */
export function serviceOf(http: HttpService, existing: MachineService | undefined): MachineService {
  return {
    ...existing,
    protocol: 'tcp',
    internal_port: http.internalPort,
    autostart: http.autoStart,
    autostop: http.autoStop,
    min_machines_running: http.minMachinesRunning,
    ports: [
      { ...portOf(existing, 80), port: 80, handlers: ['http'], force_https: http.forceHttps },
      { ...portOf(existing, 443), port: 443, handlers: ['http', 'tls'] },
    ],
    checks: http.checks.map(checkOf),
  };
}

function portOf(service: MachineService | undefined, port: number): MachinePort | undefined {
  return service?.ports?.find((candidate) => candidate.port === port);
}

function checkOf(check: HttpCheck): Record<string, unknown> {
  const headers = Object.entries(check.headers);
  return {
    type: 'http',
    method: check.method,
    path: check.path,
    interval: goDuration(check.intervalMs),
    timeout: goDuration(check.timeoutMs),
    grace_period: goDuration(check.gracePeriodMs),
    ...(headers.length > 0 ? { headers: headers.map(([name, value]) => ({ name, values: [value] })) } : {}),
  };
}

function goDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
