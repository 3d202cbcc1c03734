import { formatSize } from '../../lib/size.js';
import { cleanLine } from '../../lib/text.js';
import type { ContextEntry } from './walk.js';

const LARGE_BYTES = 100 * 1024 * 1024;
const SHOWN = 10;

/** How large a context is, and what makes it so: files and folders at its root, each with all that lies in it. */
export class ContextSize {
  readonly #byEntry = new Map<string, number>();
  #total = 0;

  add({ path, kind, stats }: Pick<ContextEntry, 'path' | 'kind' | 'stats'>): void {
    if (kind !== 'file') return;
    const size = Number(stats.size);
    const slash = path.indexOf('/');
    const entry = slash === -1 ? path : path.slice(0, slash + 1);
    this.#byEntry.set(entry, (this.#byEntry.get(entry) ?? 0) + size);
    this.#total += size;
  }

  /** For a context over 100 MiB, its ten largest entries. */
  warning(): string | undefined {
    if (this.#total <= LARGE_BYTES) return undefined;
    const largest = [...this.#byEntry]
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN)
      .map(([name, size]) => `${cleanLine(name, 60)} ${formatSize(size)}`);
    return `the build context is ${formatSize(this.#total)}; its largest entries: ${largest.join(', ')}; what the build does not need can be left out: .dockerignore`;
  }
}
