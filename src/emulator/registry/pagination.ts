import { ProtocolError } from './protocol-error.js';

/** At most `n` entries (all when undefined) of those after `last`. */
export interface PageRequest {
  readonly n?: number;
  readonly last?: string;
}

export interface Page {
  readonly entries: readonly string[];
  /** The last entry, when there are more behind it. */
  readonly next?: string;
}

/** Reads `n` and `last`. Throws UNSUPPORTED when `n` is not a whole number. */
export function parsePageRequest(query: URLSearchParams): PageRequest {
  const n = query.get('n');
  const last = query.get('last');
  if (n !== null && !/^\d{1,9}$/.test(n)) {
    throw new ProtocolError('UNSUPPORTED', 'invalid number of results requested', { detail: { n } });
  }
  return { ...(n === null ? {} : { n: Number(n) }), ...(last === null ? {} : { last }) };
}

/** `entries` must be in the order of their bytes; `last` itself need not be among them. */
export function pageOf(entries: readonly string[], { n, last }: PageRequest): Page {
  const rest = last === undefined ? entries : entries.filter((entry) => entry > last);
  if (n === undefined || n >= rest.length) return { entries: rest };
  const taken = rest.slice(0, n);
  const next = taken.at(-1);
  // n=0 asks for nothing, and must not be told of a next page (distribution-spec, "Listing Tags").
  return next === undefined ? { entries: [] } : { entries: taken, next };
}

/** The Link header that leads to the next page (RFC 5988). */
export function nextLink(path: string, query: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(query).toString()}>; rel="next"`;
}
