import type { MachineSize } from './deploy-config.js';
import { Refusal } from './refusal.js';
import type { Section, UnreadKeys } from './section.js';
import type { TomlNode } from './toml-document.js';

const NO_GPU = { refuse: 'the machines would run without the GPU' };

const UNREAD_VM_KEYS: UnreadKeys = {
  // For which groups: with the one group that this version knows, for that one.
  processes: 'no effect here',
  gpus: NO_GPU,
  gpu_kind: NO_GPU,
  host_dedication_id: { refuse: 'the machines would run on other hosts' },
  kernel_args: 'warn',
  persist_rootfs: 'warn',
};

const CPU_KINDS = ['shared', 'performance'] as const;
const MOST_MEMORY_MB = 1024 * 1024;

/**
 * Reads `[[vm]]`: a named size, and what is said beside it in its place.
 * @throws DeployerError `config_invalid`
 */
export function readMachineSize(root: Section): MachineSize | undefined {
  const [section, ...others] = root.sections('vm');
  if (section === undefined) return undefined;
  if (others.length > 0) root.refuse('vm', 'the machines of one group have one size; keep one [[vm]]');
  const size: MachineSize = {
    ...section.choice('size', namedSize),
    ...defined('cpuKind', section.choice('cpu_kind', cpuKindFrom)),
    ...defined('cpus', section.integer('cpus', 1, 128)),
    ...defined('memoryMb', section.take('memory', 'an amount such as "512mb" or "1gb"', memoryOf)),
    ...defined('memoryMb', section.integer('memory_mb', 1, MOST_MEMORY_MB)),
  };
  section.finish(UNREAD_VM_KEYS);
  return size;
}

function defined<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}

/** Fly's presets: 256 MB a shared CPU, 2 GB a whole one. */
function namedSize(name: string): MachineSize | Refusal {
  const [, kind, count] = /^(shared-cpu|performance)-(1|2|4|8|16)x$/.exec(name) ?? [];
  const cpus = Number(count);
  if (kind === 'shared-cpu' && cpus <= 8) return { cpuKind: 'shared', cpus, memoryMb: 256 * cpus };
  if (kind === 'performance') return { cpuKind: 'performance', cpus, memoryMb: 2048 * cpus };
  return new Refusal('expected shared-cpu-1x to -8x or performance-1x to -16x');
}

function cpuKindFrom(text: string): MachineSize['cpuKind'] | Refusal {
  return CPU_KINDS.find((kind) => kind === text) ?? new Refusal(`expected ${CPU_KINDS.join(' or ')}`);
}

/** A bare number counts megabytes. */
function memoryOf(node: TomlNode): number | undefined {
  const text = node.type === 'integer' || node.type === 'string' ? String(node.value) : '';
  const [, amount, unit] = /^(\d{1,7}) ?(mb|mib|gb|gib)?$/i.exec(text) ?? [];
  const megabytes = Number(amount) * (unit?.toLowerCase().startsWith('g') ? 1024 : 1);
  return megabytes >= 1 && megabytes <= MOST_MEMORY_MB ? megabytes : undefined;
}
