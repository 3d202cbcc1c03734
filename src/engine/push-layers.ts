import { formatSize } from '../lib/size.js';
import { cleanLine } from '../lib/text.js';

/** A layer of an image that is pushed, as the engine tells of it. */
export interface PushedLayer {
  /** The first digits of its digest. */
  readonly id: string;
  readonly state: 'pushing' | 'pushed' | 'exists' | 'mounted';
  /** bytes; 0 of what is not sent */
  readonly current: number;
  readonly total: number;
  /** For a person: `layer 0a1b2c3d4e5f pushed  3.2 MB` */
  readonly text: string;
}

/** More than any image has (overlay file systems take 127). */
const MOST_LAYERS = 1000;

/** What the lines of a push tell of its layers, each change once. */
export class PushLayers {
  readonly #layers = new Map<string, PushedLayer>();

  /** @returns the layer that this line changed */
  read(line: Readonly<Record<string, unknown>>): PushedLayer | undefined {
    const { id, status, progressDetail } = line as {
      readonly id?: unknown;
      readonly status?: unknown;
      readonly progressDetail?: { readonly current?: unknown; readonly total?: unknown } | null;
    };
    if (typeof id !== 'string' || typeof status !== 'string') return undefined;
    const state = stateIn(status);
    const before = this.#layers.get(id);
    if (state === undefined || (state !== 'pushing' && before?.state === state)) return undefined;
    if (before === undefined && this.#layers.size >= MOST_LAYERS) return undefined;
    const known = { id: cleanLine(id, 20), state, ...amounts(progressDetail ?? {}, state, before) };
    const layer = { ...known, text: textOf(known) };
    this.#layers.set(id, layer);
    return layer;
  }

  /** Of all that are sent, in bytes. */
  get sum(): { readonly current: number; readonly total: number } {
    const all = [...this.#layers.values()];
    return {
      current: all.reduce((sum, { current }) => sum + current, 0),
      total: all.reduce((sum, { total }) => sum + total, 0),
    };
  }
}

/** The engine's words; those of a layer that waits are none of these. */
function stateIn(status: string): PushedLayer['state'] | undefined {
  if (status === 'Pushing') return 'pushing';
  if (status === 'Pushed') return 'pushed';
  if (status === 'Layer already exists' || status === 'Already exists') return 'exists';
  return status.startsWith('Mounted from ') ? 'mounted' : undefined;
}

function amounts(
  { current, total }: { readonly current?: unknown; readonly total?: unknown },
  state: PushedLayer['state'],
  before: PushedLayer | undefined,
): Pick<PushedLayer, 'current' | 'total'> {
  if (state === 'exists' || state === 'mounted') return { current: 0, total: 0 };
  const sent = typeof current === 'number' ? current : (before?.current ?? 0);
  const size = Math.max(typeof total === 'number' ? total : 0, before?.total ?? 0, sent);
  return { current: state === 'pushed' ? size : sent, total: size };
}

function textOf({ id, state, total }: Omit<PushedLayer, 'text'>): string {
  const became = { pushing: 'is sent', pushed: 'pushed', exists: 'already there', mounted: 'mounted' }[state];
  return `layer ${id} ${became}${total > 0 ? `  ${formatSize(total)}` : ''}`;
}
