import type { DeployConfig } from '../../config/deploy-config.js';
import { serviceOf } from './http-service.js';
import type { MachineConfig, MachineService } from './machine.js';
import type { ReleaseLabel } from './release-label.js';
import { APP_GROUP, METADATA } from './release-metadata.js';

/**
 * The configuration of a machine in this release: what the deploy owns is set, all else (guest, mounts,
 * restart, checks, files, other metadata, services it does not know) stays as it is on the machine.
 * @param existing the machine's present configuration; undefined for a new machine
 */
export function machineConfig(
  config: DeployConfig,
  label: ReleaseLabel,
  existing: MachineConfig | undefined,
): MachineConfig {
  const metadata = existing?.metadata ?? {};
  const services = servicesOf(config, existing);
  return {
    ...existing,
    image: label.image.deployed,
    env: environmentOf(config, existing),
    ...guestOf(config, existing),
    ...(services.length > 0 || existing?.services ? { services } : {}),
    metadata: withHttpService(releaseMetadata(metadata, label), config),
  };
}

/**
 * The configuration of a machine when a past release is put back: how the image is run (environment, services,
 * checks, command) is that release's, the machine's own traits (guest, mounts, restart) stay.
 */
export function restoredConfig(
  past: MachineConfig,
  label: ReleaseLabel,
  existing: MachineConfig | undefined,
): MachineConfig {
  const kept: Record<string, unknown> = { ...existing };
  for (const key of ['env', 'services', 'checks', 'init', 'processes', 'files']) {
    if (past[key] === undefined || past[key] === null) delete kept[key];
    else kept[key] = past[key];
  }
  const metadata = releaseMetadata({ ...existing?.metadata }, label);
  const port = past.metadata?.[METADATA.httpService];
  delete metadata[METADATA.httpService];
  if (port !== undefined) metadata[METADATA.httpService] = port;
  return { ...kept, image: label.image.deployed, metadata };
}

/**
 * The configuration that puts a machine back to where a failed release found it: as it was read, with the
 * number of the release that was undone, so that no later release is called the same.
 * @param pinned the image that ran, by digest
 */
export function undoneConfig(
  before: MachineConfig,
  pinned: string | undefined,
  undone: number,
): MachineConfig {
  return {
    ...before,
    ...(pinned === undefined ? {} : { image: pinned }),
    metadata: { ...before.metadata, [METADATA.rolledBack]: String(undone) },
  };
}

function releaseMetadata(metadata: Record<string, string>, label: ReleaseLabel): Record<string, string> {
  const { previous } = label;
  const hasFailed = metadata[METADATA.health] === 'failed';
  const set: Record<string, string | undefined> = {
    [METADATA.platformVersion]: 'v2',
    [METADATA.processGroup]: metadata[METADATA.processGroup] ?? APP_GROUP,
    [METADATA.flyReleaseId]: label.id,
    [METADATA.releaseVersion]: String(label.version),
    [METADATA.releaseId]: label.id,
    [METADATA.digest]: label.image.digest,
    [METADATA.previousVersion]: previous?.version?.toString(),
    [METADATA.previousDigest]: previous?.digest,
    [METADATA.previousImage]: previous?.image,
    [METADATA.health]: label.health,
    [METADATA.lastHealthy]: label.lastHealthy?.toString(),
    [METADATA.lastFailed]: metadata[hasFailed ? METADATA.releaseVersion : METADATA.lastFailed],
  };
  const merged: Record<string, string> = { ...metadata };
  for (const [key, value] of Object.entries(set)) {
    if (value === undefined) delete merged[key];
    else merged[key] = value;
  }
  return merged;
}

/**
 * The file is the whole truth about the environment; without one, the flags add to what the machine has.
 * PRIMARY_REGION is set as flyctl sets it, for apps that were deployed with it and read it.
 */
function environmentOf(config: DeployConfig, existing: MachineConfig | undefined): Record<string, string> {
  const { primaryRegion } = config;
  return {
    ...(config.file === undefined ? existing?.env : {}),
    ...(primaryRegion === undefined ? {} : { PRIMARY_REGION: primaryRegion }),
    ...config.env,
  };
}

/** What `[[vm]]` says; all else of the machine's size stays. */
function guestOf({ machineSize }: DeployConfig, existing: MachineConfig | undefined): Partial<MachineConfig> {
  if (machineSize === undefined) return {};
  const { cpuKind, cpus, memoryMb } = machineSize;
  const guest = {
    ...existing?.guest,
    ...(cpuKind === undefined ? {} : { cpu_kind: cpuKind }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryMb === undefined ? {} : { memory_mb: memoryMb }),
  };
  return { guest };
}

function servicesOf(config: DeployConfig, existing: MachineConfig | undefined): MachineService[] {
  const present = existing?.services ?? [];
  if (config.httpService !== undefined) {
    const { internalPort } = config.httpService;
    const replaced = present.find((service) => isHttpService(service, internalPort));
    const others = present.filter((service) => service !== replaced && !servesWeb(service));
    return [serviceOf(config.httpService, replaced), ...others];
  }
  // A section taken out of the file takes its service away, if it was this program that put it there.
  const ours = existing?.metadata?.[METADATA.httpService];
  if (config.file === undefined || ours === undefined) return [...present];
  return present.filter((service) => String(service.internal_port) !== ours);
}

function isHttpService(service: MachineService, internalPort: number): boolean {
  return servesWeb(service) || (service.internal_port === internalPort && service.protocol !== 'udp');
}

/** Ports 80 and 443 can be served once: who has them is what `[http_service]` describes. */
function servesWeb(service: MachineService): boolean {
  return (service.ports ?? []).some((port) => port.port === 80 || port.port === 443);
}

function withHttpService(metadata: Record<string, string>, config: DeployConfig): Record<string, string> {
  if (config.httpService !== undefined)
    metadata[METADATA.httpService] = String(config.httpService.internalPort);
  else if (config.file !== undefined) delete metadata[METADATA.httpService];
  return metadata;
}
