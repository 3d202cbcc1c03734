import { ApiError } from '../api-error.js';
import { ACTION_RATE, type Rate } from '../rate-limiter.js';

/** A request that has been let in. */
export interface Call {
  /** The path's variable parts, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON body; undefined when there was none. */
  readonly body: unknown;
  /** The header `fly-machine-lease-nonce`. */
  readonly nonce: string | undefined;
  /** Aborted when the client has gone, or the server closes. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

export interface Route {
  readonly method: string;
  /** `/v1/apps/:app/machines/:machine`; a last `*` takes the rest. */
  readonly path: string;
  /** How often it may be asked of one machine, else of one app; null: as often as one likes. */
  readonly rate: Rate | null;
  readonly handle: (call: Call) => Answer | Promise<Answer>;
}

export const OK: Answer = { status: 200, body: { ok: true } };

/** `route('POST /v1/apps', handler)`, limited as every action is. */
export function route(line: string, handle: Route['handle'], rate: Rate | null = ACTION_RATE): Route {
  const [method = '', path = ''] = line.split(' ');
  return { method, path, rate, handle };
}

export interface RouteMatch {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/**
 * The route that a request takes: the first that fits.
 * @throws ApiError 404 for an unknown path, 405 for a method that it does not have, 400 for a bad escape in it
 */
export function findRoute(routes: readonly Route[], method: string, path: string): RouteMatch {
  const segments = path.split('/').map(decode);
  let known = false;
  for (const each of routes) {
    const params = fit(each.path.split('/'), segments);
    if (params === undefined) continue;
    if (each.method === method || each.method === '*') return { route: each, params };
    known = true;
  }
  if (known) throw new ApiError('method_not_allowed', `${method} is not for this path`);
  throw new ApiError('not_found', 'no such path');
}

function fit(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  const open = pattern.at(-1) === '*';
  if (open ? segments.length < pattern.length : segments.length !== pattern.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of pattern.entries()) {
    const segment = segments[at] as string;
    if (part.startsWith(':') && segment !== '') params[part.slice(1)] = segment;
    else if (part !== segment && part !== '*') return undefined;
  }
  return params;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ApiError('invalid_argument', 'the path holds a bad escape');
  }
}
