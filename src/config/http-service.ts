import type { HttpCheck, HttpService } from './deploy-config.js';
import { Refusal } from './refusal.js';
import type { Section, UnreadKeys } from './section.js';
import type { TomlNode } from './toml-document.js';
import { durationFrom, unitDurationFrom } from './values.js';

const UNREAD_SERVICE_KEYS: UnreadKeys = {
  // For which groups: with the one group that this version knows, for that one.
  processes: 'no effect here',
  concurrency: 'warn',
  tls_options: 'warn',
  http_options: 'warn',
  tcp_checks: 'warn',
  http_checks: 'warn',
  machine_checks: 'warn',
};

const UNREAD_CHECK_KEYS: UnreadKeys = {
  protocol: 'warn',
  tls_skip_verify: 'warn',
  tls_server_name: 'warn',
  restart_limit: 'warn',
};

const AUTO_STOP = ['off', 'stop', 'suspend'] as const;

/** Reads `[http_service]`. @throws DeployerError `config_invalid` */
export function readHttpService(section: Section): HttpService {
  const service: HttpService = {
    // 8080 is the default that Fly documents.
    internalPort: section.otherwise('internal_port', section.integer('internal_port', 1, 65_535), 8080),
    forceHttps: section.otherwise('force_https', section.flag('force_https'), false),
    autoStop: section.otherwise('auto_stop_machines', readAutoStop(section), 'off'),
    autoStart: section.otherwise('auto_start_machines', section.flag('auto_start_machines'), true),
    minMachinesRunning: section.otherwise(
      'min_machines_running',
      section.integer('min_machines_running', 0, 1000),
      0,
    ),
    checks: section.sections('checks').map(readCheck),
  };
  section.finish(UNREAD_SERVICE_KEYS);
  return service;
}

// The older form is a boolean, where true means what "stop" means now.
function readAutoStop(section: Section): HttpService['autoStop'] | undefined {
  return section.take('auto_stop_machines', '"off", "stop" or "suspend"', (node) => {
    if (node.type === 'boolean') return node.value ? 'stop' : 'off';
    return node.type === 'string' ? AUTO_STOP.find((choice) => choice === node.value) : undefined;
  });
}

function readCheck(section: Section): HttpCheck {
  const check: HttpCheck = {
    method: readMethod(section) ?? 'GET',
    path: readPath(section) ?? '/',
    intervalMs: readTime(section, 'interval', 1000) ?? 15_000,
    timeoutMs: readTime(section, 'timeout', 1) ?? 10_000,
    gracePeriodMs: readTime(section, 'grace_period', 0) ?? 5_000,
    headers: readHeaders(section) ?? {},
  };
  section.finish(UNREAD_CHECK_KEYS);
  return check;
}

function readMethod(section: Section): string | undefined {
  return section.take('method', 'an HTTP method such as "get"', (node) =>
    node.type === 'string' && /^[A-Za-z]{1,20}$/.test(node.value) ? node.value.toUpperCase() : undefined,
  );
}

function readPath(section: Section): string | undefined {
  return section.take('path', 'a path that begins with "/"', (node) =>
    node.type === 'string' && /^\/[\x21-\x7e]*$/.test(node.value) ? node.value : undefined,
  );
}

function readTime(section: Section, key: string, leastMs: number): number | undefined {
  return section.take(key, 'a duration such as "10s"', (node) => {
    const ms = checkTimeOf(node);
    return typeof ms === 'number' && ms < leastMs ? new Refusal(`expected at least ${leastMs}ms`) : ms;
  });
}

// A bare number in a check is milliseconds in fly.toml. Who writes 10 meant seconds, and would get a check that
// can't pass: that is refused.
function checkTimeOf(node: TomlNode): number | Refusal | undefined {
  if (node.type === 'string') return unitDurationFrom(node.value);
  if (node.type !== 'integer') return undefined;
  if (node.value !== 0n && node.value < 100n) {
    return new Refusal(`a bare number counts milliseconds; write "${node.value}s" for seconds`);
  }
  return durationFrom(`${node.value}ms`);
}

function readHeaders(section: Section): Readonly<Record<string, string>> | undefined {
  return section.take('headers', 'a table of header names and strings', (node) => {
    if (node.type === 'array' && node.items.length === 0) return {};
    if (node.type !== 'table') return undefined;
    const headers: [string, string][] = [];
    for (const [name, { value }] of node.entries) {
      if (value.type !== 'string' || !isHeader(name, value.value)) return undefined;
      headers.push([name, value.value]);
    }
    return Object.fromEntries(headers);
  });
}

// RFC 9110, 5.1 and 5.5: a value with a line break would smuggle in a header of its own.
function isHeader(name: string, value: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\u0080-\u00ff]*$/.test(value);
}
